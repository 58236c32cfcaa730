/** Where the lifts are: district outlines and a dot a lift, grey unless something is wrong. Needs no tile server. */
import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "./api.js";
import { openLift } from "./actions.js";
import { html } from "./html.js";
import { language, t } from "./i18n.js";
import { selectedLift, view, worst } from "./store.js";

/** @type {any} */
let map = null;
/** Dots by lift id. @type {Map<number, any>} */
const dots = new Map();
/** @type {any} */
let halo = null;

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** @param {{severity: string, trapped: boolean, unacknowledged: boolean}|undefined} state */
function dotStyle(state) {
  if (!state) return { radius: 3, weight: 1, color: colour("map-dot-line"), fillColor: colour("map-dot"), fillOpacity: 1 };
  const tone = colour(state.severity);
  const radius = state.trapped ? 9 : state.severity === "critical" ? 8 : state.severity === "major" ? 6 : 5;
  return { radius, weight: state.unacknowledged ? 3 : 1.5, color: state.unacknowledged ? colour("text") : tone, fillColor: tone, fillOpacity: state.unacknowledged ? 1 : 0.75 };
}

const districtStyle = () => ({ color: colour("map-line"), weight: 1, fillColor: colour("map-land"), fillOpacity: 1, interactive: false });

/** @param {any} L @param {any} districts @returns {any} */
function drawDistricts(L, districts) {
  const layer = L.geoJSON(districts, { style: districtStyle, interactive: false }).addTo(map);
  for (const feature of districts.features) {
    const [lon, lat] = feature.properties.label;
    const name = language.peek() === "en" ? feature.properties.name_en ?? feature.properties.name : feature.properties.name;
    L.tooltip({ permanent: true, direction: "center", className: "district", interactive: false }).setLatLng([lat, lon]).setContent(document.createTextNode(name).data).addTo(layer);
  }
  return layer;
}

/** @param {any} L @param {[number, number, number, string][]} lifts */
function drawLifts(L, lifts) {
  const renderer = L.canvas({ padding: 0.3 });
  for (const [id, lon, lat, kind] of lifts) {
    if (lon === null || lat === null) continue;
    const dot = L.circleMarker([lat, lon], { renderer, ...dotStyle(undefined), kind });
    dot.on("click", () => openLift(id));
    dot.addTo(map);
    dots.set(id, dot);
  }
}

function fitAll() {
  const points = [...dots.values()].map((dot) => dot.getLatLng());
  if (points.length > 0) map?.fitBounds(points, { padding: [24, 24], maxZoom: 14 });
}

/** Where most of the lifts are: a few far ones in the counties would shrink the city to a spot. */
function fitMost() {
  const points = [...dots.values()].map((dot) => dot.getLatLng());
  if (points.length === 0) return;
  const cut = (/** @type {"lat"|"lng"} */ axis, /** @type {number} */ part) =>
    points.map((point) => point[axis]).sort((a, b) => a - b)[Math.floor((points.length - 1) * part)];
  map?.fitBounds([[cut("lat", 0.1), cut("lng", 0.1)], [cut("lat", 0.9), cut("lng", 0.9)]], { padding: [48, 48], maxZoom: 14 });
}

/** Show the selected lift on the map. */
export function focusMap() {
  const id = selectedLift.peek();
  const dot = id === null ? null : dots.get(id);
  view.value = "map";
  if (dot) map?.setView(dot.getLatLng(), Math.max(map.getZoom(), 14));
}

/** @param {HTMLElement} element */
async function build(element) {
  // @ts-ignore a classic script without types: it leaves `L` on the window
  await import("/static/vendor/leaflet.js");
  const L = /** @type {any} */ (window).L;
  const data = await get("/api/v1/map");
  map = L.map(element, { preferCanvas: true, zoomControl: true, attributionControl: true, zoomSnap: 0.5, keyboard: false, center: [30.27, 120.15], zoom: 10 });
  effect(() => { map.attributionControl.setPrefix(t("map.attribution")); });
  const outlines = await get(data.districts ?? "/static/data/hangzhou_districts.geojson").catch(() => null);
  let land = outlines ? drawDistricts(L, outlines) : null;
  drawLifts(L, data.lifts);
  fitMost();
  const style = () => { for (const [id, dot] of dots) dot.setStyle(dotStyle(worst.peek().get(id))).setRadius(dotStyle(worst.peek().get(id)).radius); };
  addEventListener("themechange", () => { land?.setStyle(districtStyle()); style(); });
  new ResizeObserver(() => { map.invalidateSize({ pan: false }); keepInSight(); }).observe(element);
  effect(() => { void language.value; if (land) { land.remove(); land = drawDistricts(L, outlines); land.eachLayer((/** @type {any} */ one) => one.bringToBack?.()); } });
  const labels = () => element.classList.toggle("far", map.getZoom() < 9); // names would lie on top of each other
  map.on("zoomend", labels);
  labels();
  paintChanges();
  effect(() => markSelected(L, selectedLift.value));
}

/** Only dots whose state changed are drawn again. */
function paintChanges() {
  /** @type {Map<number, any>} */
  let before = new Map();
  effect(() => {
    const after = worst.value;
    for (const id of new Set([...before.keys(), ...after.keys()])) {
      const [old, next] = [before.get(id), after.get(id)];
      if (old && next && old.severity === next.severity && old.trapped === next.trapped && old.unacknowledged === next.unacknowledged) continue;
      const dot = dots.get(id);
      dot?.setStyle(dotStyle(next)).setRadius(dotStyle(next).radius);
      if (next) dot?.bringToFront();
    }
    before = after;
  });
}

/** @param {any} L @param {number|null} id */
function markSelected(L, id) {
  halo?.remove();
  halo = null;
  const dot = id === null ? null : dots.get(id);
  if (!dot) return;
  halo = L.circleMarker(dot.getLatLng(), { radius: 14, weight: 2, color: colour("focus"), fill: false, interactive: false }).addTo(map);
  keepInSight();
}

/** The selected lift stays on the map, also when an opening panel has made the map smaller. */
function keepInSight() {
  const id = selectedLift.peek();
  const dot = id === null ? null : dots.get(id);
  if (dot && map.getSize().x > 0 && !map.getBounds().pad(-0.1).contains(dot.getLatLng())) map.panTo(dot.getLatLng(), { animate: false });
}

export function LiftMap() {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (box.current) build(box.current).catch(() => setFailed(true));
  }, []);
  return html`<aside class="map" aria-label=${t("map.label")}>
    <div class="map-box" ref=${box}></div>
    ${failed && html`<p class="none map-failed">${t("map.no_data")}</p>`}
    <p class="map-hint">${t("detail.empty")} · ${t("detail.empty_hint")}</p>
    <button class="button small map-all" onClick=${fitAll}>${t("map.all")}</button></aside>`;
}
