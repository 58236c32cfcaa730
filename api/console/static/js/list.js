/** The list: area incidents with their entrapments, cases, alarms. A row under the pointer or selected keeps its place on screen whatever arrives above it. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { acknowledge } from "./actions.js";
import { mayAct } from "./boot.js";
import { html } from "./html.js";
import { t, titleOf } from "./i18n.js";
import { Mark, Settled } from "./icons.js";
import { IncidentRow } from "./incident.js";
import { caseSeverity, isSilenced, isUnhandled, mayBeTrapped } from "./order.js";
import { Elapsed, hovered, Row } from "./row.js";
import { alarmEntries, entries, incidentEntries, incidents, looseCaseEntries, pending, ready, selected, showSilenced, silencedEntries } from "./store.js";
import { Tags } from "./tags.js";
import { duration, moment, now } from "./time.js";
import { place, runningLimit } from "./words.js";

/** Rows drawn at most; the rest is counted in words. */
const SHOWN = 400;

/** The row that must not move. @type {{key: string, top: number}|null} */
let anchor = null;
const newAbove = signal(0);

/** @param {{row: import("./types.js").Case}} props */
export function Limit({ row }) {
  const limit = runningLimit(row, now.value);
  if (!limit) return null;
  const over = limit.elapsed - limit.limit;
  const part = Math.min(1, limit.elapsed / limit.limit);
  const level = over > 0 ? "over" : part > 0.66 ? "near" : "";
  return html`<span class=${`limit ${level}`}><span class="limit-name">${t(`limit.${limit.name}`)}</span>
    <span class="limit-bar"><i style=${{ transform: `scaleX(${part})` }}></i></span>
    <span class="num limit-text">${over > 0 ? t("limit.over", { age: duration(over) }) : t("limit.of", { age: duration(limit.elapsed), limit: duration(limit.limit) })}</span></span>`;
}

/** @param {{entry: import("./types.js").Entry, done: boolean, by: string|null}} props */
function Acknowledge({ entry, done, by }) {
  if (pending.value.has(entry.key)) return html`<span class="ack-state">${t("list.sending")}</span>`;
  if (done) return html`<span class="ack-state">${t("list.acked_by", { name: by ?? "" })}</span>`;
  return html`<button class="button small ack" disabled=${!mayAct} onClick=${() => acknowledge(entry)}>${t("list.ack")} <kbd>A</kbd></button>`;
}

/** @param {{entry: import("./types.js").Entry}} props */
function CaseRow({ entry }) {
  const row = /** @type {import("./types.js").Case} */ (entry.row);
  const loud = isUnhandled(row);
  return html`<${Row} entry=${entry} label=${place(row.lift)} tone=${mayBeTrapped(row) ? caseSeverity(row) : "calm"} loud=${loud}>
    ${mayBeTrapped(row) ? html`<${Mark} severity=${caseSeverity(row)} quiet=${!loud} />` : html`<${Settled} />`}
    <span class="row-title"><b>${t(`case.${row.kind}`)}</b><span class="chip">${t(`state.${row.state}`)}</span>
      ${row.level > 1 && html`<span class="chip strong">${t("level", { n: row.level })}</span>`}<${Tags} row=${row} /></span>
    ${mayBeTrapped(row) ? html`<${Elapsed} since=${row.opened_at} />` : html`<span class="num elapsed dim">${moment(row.released_at)}</span>`}
    <span class="row-place">${place(row.lift)}</span>
    <span class="row-foot"><${Limit} row=${row} />
      ${row.waits_since && mayBeTrapped(row) && html`<span class="note abnormal">${t("list.no_unit")}</span>`}
      ${row.device_says_clear_at && mayBeTrapped(row) && html`<span class="note">${t("list.device_clear")}</span>`}
      ${row.contact_lost_at && html`<span class="note abnormal">${t("list.contact_lost")}</span>`}</span>
    <${Acknowledge} entry=${entry} done=${Boolean(row.acknowledged_at) || !mayBeTrapped(row)} by=${row.acknowledged_by} /><//>`;
}

/** @param {{entry: import("./types.js").Entry}} props */
function AlarmRow({ entry }) {
  const row = /** @type {import("./types.js").Alarm} */ (entry.row);
  const silenced = isSilenced(row);
  const loud = row.operator_state === "unacknowledged" && !silenced;
  return html`<${Row} entry=${entry} label=${place(row.lift)} tone=${row.severity} loud=${loud && row.condition === "active"}>
    <${Mark} severity=${row.severity} quiet=${!loud} />
    <span class="row-title"><b>${titleOf(row.title)}</b>
      ${row.condition === "cleared" && html`<span class="chip">${t("list.cleared")} ${moment(row.cleared_at)}</span>`}<${Tags} row=${row} /></span>
    <${Elapsed} since=${row.raised_at} />
    <span class="row-place">${place(row.lift)}</span>
    <span class="row-foot">${row.lift.district}${row.repeats > 0 && html`<span class="note">${t("list.repeats", { n: row.repeats })}</span>`}
      ${row.operator_state === "shelved" && html`<span class="note">${row.shelved_by} · ${row.shelve_reason}</span>`}</span>
    ${row.operator_state !== "shelved" && html`<${Acknowledge} entry=${entry} done=${row.operator_state === "acknowledged"} by=${row.acknowledged_by} />`}<//>`;
}

/** Where the anchored row stands now, in pixels from the top of the visible list. @param {HTMLElement} box @param {string} key */
function topOf(box, key) {
  const row = box.querySelector(`[data-key="${key}"]`);
  return row ? row.getBoundingClientRect().top - box.getBoundingClientRect().top : null;
}

/** Choose the anchor again: the row under the pointer, else the selected one when it can be seen. @param {HTMLElement} box */
function remember(box) {
  const chosen = selected.peek() ? `${selected.peek()?.kind}-${selected.peek()?.id}` : "";
  anchor = null;
  for (const key of [hovered.peek(), chosen]) {
    const top = key ? topOf(box, key) : null;
    if (top !== null && top > -40 && top < box.clientHeight) {
      anchor = { key, top };
      return;
    }
  }
}

/** After drawing: scroll so that the anchor stands where it stood. @param {HTMLElement} box @param {HTMLElement} spacer */
function hold(box, spacer) {
  const top = anchor ? topOf(box, anchor.key) : null;
  if (anchor === null || top === null || Math.abs(top - anchor.top) < 1) return 0;
  const moved = top - anchor.top;
  const wanted = box.scrollTop + moved;
  const content = spacer.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
  spacer.style.height = `${Math.max(0, wanted + box.clientHeight - content)}px`;
  box.scrollTop = wanted;
  return moved;
}

/** Keys move the selection: bring it into view. @param {HTMLElement} box @param {string} key */
function reveal(box, key) {
  box.querySelector(`[data-key="${key}"]`)?.scrollIntoView({ block: "nearest" });
}

/** @param {{entry: import("./types.js").Entry}} props */
const AreaRow = ({ entry }) => (entry.kind === "incident" ? html`<${IncidentRow} entry=${entry} />` : html`<${CaseRow} entry=${entry} />`);

/** What a person silenced: always counted, listed when asked for. */
function Silenced() {
  const n = silencedEntries.value.length;
  if (n === 0) return null;
  const shown = showSilenced.value;
  return html`<button class="silenced-toggle" aria-expanded=${shown} data-testid="silenced" onClick=${() => { showSilenced.value = !shown; }}>
      <span aria-hidden="true">${shown ? "▾" : "▸"}</span> ${t(shown ? "list.hide_silenced" : "list.show_silenced", { n })}</button>
    ${shown && html`<${Section} title=${t("list.silenced")} none="" list=${silencedEntries.value} row=${AlarmRow} shown=${SHOWN} />`}`;
}

/** @param {{title: string, none: string, list: import("./types.js").Entry[], row: any, shown: number, count?: number}} props */
function Section({ title, none, list, row, shown, count }) {
  return html`<section aria-label=${title}>
    <h2 class="list-head">${title}<span class="num">${count ?? list.length}</span></h2>
    ${list.length === 0 && html`<p class="none">${none}</p>`}
    <ul class="rows">${list.slice(0, shown).map((entry) => html`<${row} key=${entry.key} entry=${entry} />`)}</ul>
    ${list.length > shown && html`<p class="none">${t("list.more", { n: list.length - shown })}</p>`}
  </section>`;
}

export function List() {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const spacer = useRef(/** @type {HTMLElement|null} */ (null));
  const known = useRef(/** @type {Set<string>} */ (new Set()));
  const list = entries.value;
  useLayoutEffect(() => {
    if (!box.current || !spacer.current) return;
    const fresh = list.filter((entry) => !known.current.has(entry.key)).length;
    if (hold(box.current, spacer.current) > 0 && fresh > 0) newAbove.value = newAbove.peek() + fresh;
    known.current = new Set(list.map((entry) => entry.key));
    remember(box.current);
  }, [list]);
  const key = selected.value ? `${selected.value.kind}-${selected.value.id}` : "";
  useLayoutEffect(() => {
    if (!box.current) return;
    if (key) reveal(box.current, key);
    remember(box.current);
  }, [key, hovered.value]);
  const scrolled = () => {
    if (!box.current) return;
    if (box.current.scrollTop < 8) newAbove.value = 0;
    remember(box.current);
  };
  const toTop = () => { anchor = null; hovered.value = ""; box.current?.scrollTo({ top: 0 }); };
  return html`<nav class="list" aria-label=${t("list.title")}>
    ${newAbove.value > 0 && html`<button class="new-above" onClick=${toTop}>${t("list.new_above", { n: newAbove.value })}</button>`}
    <div class="list-scroll" ref=${box} onScroll=${scrolled} tabindex="-1">
      ${ready.value && html`${incidents.value.size > 0 && html`<${Section} title=${t("incident.titles")} none="" list=${incidentEntries.value} row=${AreaRow} shown=${SHOWN} count=${incidents.value.size} />`}
      <${Section} title=${t("list.cases")} none=${t("list.none_cases")} list=${looseCaseEntries.value} row=${CaseRow} shown=${SHOWN} />
      <${Section} title=${t("list.alarms")} none=${t("list.none_alarms")} list=${alarmEntries.value} row=${AlarmRow} shown=${SHOWN} /><${Silenced} />`}
      <div ref=${spacer} aria-hidden="true"></div>
    </div></nav>`;
}
