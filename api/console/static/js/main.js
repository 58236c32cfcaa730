/** Wires the console: draws the page, starts clock, stream, sound and keys. */
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { toasts } from "./actions.js";
import { Bands, TopBar } from "./bars.js";
import { Detail } from "./detail.js";
import { Dialogs } from "./dialogs.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { startKeys } from "./keys.js";
import { List } from "./list.js";
import { LiftMap } from "./map.js";
import { isUnhandled } from "./order.js";
import { startSound } from "./sound.js";
import { caseEntries, selected, staleness, view } from "./store.js";
import { startStream } from "./stream.js";
import { startClock } from "./time.js";
import { place } from "./words.js";

const VIEWS = /** @type {const} */ (["list", "detail", "map"]);

/** Says a new entrapment once to those who listen to the page. */
function Announcer() {
  const said = useRef(/** @type {Set<number>} */ (new Set()));
  const text = useRef("");
  for (const { row } of caseEntries.value) {
    if (said.current.has(row.id) || !isUnhandled(/** @type {any} */ (row))) continue;
    said.current.add(row.id);
    text.current = t("toast.new_entrapment", { place: place(row.lift) });
  }
  return html`<p class="hidden" aria-live="assertive">${text.current}</p>`;
}

const Toasts = () => html`<div class="toasts" role="status">${toasts.value.map((item) => html`
  <p key=${item.id} class=${item.bad ? "toast bad" : "toast"} data-testid="toast">${item.text}</p>`)}</div>`;

/** Narrow screens show one part at a time. */
const Tabs = () => html`<nav class="tabs">${VIEWS.map((name) => html`<button key=${name} aria-current=${view.value === name ? "page" : undefined}
  onClick=${() => { view.value = name; }}>${t(`view.${name}`)}</button>`)}</nav>`;

function App() {
  const stale = staleness.value;
  const root = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => { if (root.current) root.current.scrollTop = 0; }, [view.value]);
  return html`<${TopBar} /><${Bands} />
    <div class=${`work show-${view.value}${selected.value ? "" : " idle"}${stale && stale.why !== "connecting" ? " is-stale" : ""}`} ref=${root}><${List} /><${Detail} /><${LiftMap} /></div>
    <${Tabs} /><${Toasts} /><${Dialogs} /><${Announcer} />`;
}

startClock();
startStream();
startSound();
startKeys();
const app = /** @type {HTMLElement} */ (document.getElementById("app"));
app.replaceChildren();
render(html`<${App} />`, app);
