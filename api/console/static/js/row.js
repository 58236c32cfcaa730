/** The frame of every row of the list: where it is clicked, what it looks like when chosen, and how long it has waited. */
import { signal } from "@preact/signals";
import { openDetail, rolledBack } from "./actions.js";
import { html } from "./html.js";
import { selected } from "./store.js";
import { duration, now } from "./time.js";

/** Key of the row under the pointer. */
export const hovered = signal("");

/** @param {{since: string}} props */
export const Elapsed = ({ since }) => html`<span class="num elapsed">${duration(now.value - Date.parse(since))}</span>`;

/** @param {{entry: import("./types.js").Entry, label: string, tone: string, loud: boolean, children?: any}} props */
export function Row({ entry, label, tone, loud, children }) {
  const chosen = selected.value?.kind === entry.kind && selected.value.id === entry.id;
  const back = rolledBack.value.has(entry.key);
  const open = () => openDetail({ kind: entry.kind, id: entry.id });
  return html`<li class=${`row ${tone}${loud ? " loud" : ""}${chosen ? " chosen" : ""}${back ? " rolled-back" : ""}`} data-key=${entry.key}
    aria-current=${chosen ? "true" : undefined} onClick=${(/** @type {MouseEvent} */ event) => { if (!(/** @type {Element} */ (event.target)).closest("button")) open(); }}
    onPointerEnter=${(/** @type {PointerEvent} */ event) => { if (event.pointerType === "mouse") hovered.value = entry.key; }}
    onPointerLeave=${() => { hovered.value = ""; }}>
    <button class="row-open" onClick=${open} aria-label=${label}></button>${children}</li>`;
}
