/** Head of a case: what, where, which clock runs, and what may be done next. */
import { acknowledge, dialog, moveCase } from "./actions.js";
import { mayAct } from "./boot.js";
import { Calls } from "./calls.js";
import { html } from "./html.js";
import { t, tOr } from "./i18n.js";
import { Mark, Settled } from "./icons.js";
import { Limit } from "./list.js";
import { caseSeverity, isUnhandled, mayBeTrapped } from "./order.js";
import { Rescue } from "./rescue.js";
import { pending } from "./store.js";
import { Tags } from "./tags.js";
import { duration, moment, now } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").Case} Case */

/** @param {{row: Case}} props */
function Steps({ row }) {
  const steps = [["opened", row.opened_at], ["acknowledged", row.acknowledged_at], ["dispatched", row.dispatched_at],
    ["accepted", row.accepted_at ?? null], ["arrived", row.arrived_at], ["released", row.released_at], ["closed", row.closed_at]];
  return html`<ol class="steps seven">${steps.map(([name, at]) => html`<li key=${name} class=${at ? "done" : ""}>
    <span>${t(`detail.${name}`)}</span><time class="num">${at ? moment(at) : "—"}</time></li>`)}</ol>`;
}

/** A move that ends an entrapment asks first; the others go at once. @param {Case} row @param {{name: string, confirmation: boolean}} move */
export function startMove(row, move) {
  if (!mayAct) return;
  if (move.confirmation) dialog.value = { name: move.name, caseId: row.id };
  else void moveCase(row.id, /** @type {any} */ (move.name));
}

const KEYS = /** @type {Record<string, string>} */ ({ release: "R" });

/** @param {{row: Case}} props */
function Moves({ row }) {
  const busy = pending.value.has(`case-${row.id}`);
  const moves = row.allowed_moves ?? [];
  return html`<div class="moves">
    ${isUnhandled(row) && html`<button class="button primary" disabled=${!mayAct || busy} onClick=${() => acknowledge({ kind: "case", id: row.id })}>
      ${t("act.acknowledge")} <kbd>A</kbd></button>`}
    ${moves.map((move) => html`<button key=${move.name} class=${`button${move.confirmation ? " guarded" : ""}`} disabled=${!mayAct || busy}
      onClick=${() => startMove(row, move)}>${tOr(`move.${move.name}`, move.name)}${move.confirmation ? "…" : ""}
      ${KEYS[move.name] && html` <kbd>${KEYS[move.name]}</kbd>`}</button>`)}
    ${!mayAct && html`<span class="dim">${t("detail.read_only")}</span>`}</div>`;
}

/** @param {{row: Case}} props */
const TrappedClock = ({ row }) => html`<span class="big-clock"><small>${t(row.kind === "entrapment" ? "limit.trapped" : row.kind === "fault" ? "limit.since" : "limit.calling")}</small>
  <b class="num">${duration(now.value - Date.parse(row.opened_at))}</b></span>`;

/** @param {{row: Case, gone: boolean}} props */
export function CaseHead({ row, gone }) {
  const trapped = mayBeTrapped(row);
  return html`<header class=${`head ${trapped ? caseSeverity(row) : ""}`}>
      ${trapped ? html`<${Mark} severity=${caseSeverity(row)} quiet=${!isUnhandled(row)} />` : html`<${Settled} />`}
      <div class="head-text"><p class="head-kind"><b>${tOr(`case.${row.kind}`, row.kind)}</b> <span class="dim">${t("case.number", { id: row.id })}</span>
        <span class="chip strong">${t(`state.${row.state}`)}</span><span class="chip">${t("level", { n: row.level })}</span><${Tags} row=${row} /></p>
        <h2>${place(row.lift)}</h2>
        <p class="dim">${row.lift?.district} ${row.lift?.address}</p></div>
      ${trapped && !row.past && html`<${TrappedClock} row=${row} />`}
    </header>
    ${gone && html`<p class="gone">${t("detail.gone")}</p>`}
    ${row.past && trapped && html`<p class="note abnormal" data-testid="past">${t("detail.past")}</p>`}
    ${trapped && html`<${Limit} row=${row} />`}
    ${row.reported_by_device && trapped && html`<p class="note abnormal">${t("list.device_reported")}</p>`}
    ${row.device_says_clear_at && trapped && html`<p class="note">${t("list.device_clear")} · ${moment(row.device_says_clear_at)}</p>`}
    ${row.contact_lost_at && html`<p class="note abnormal">${t("list.contact_lost")} · ${moment(row.contact_lost_at)}</p>`}
    <${Steps} row=${row} />
    <p class="pairs"><span>${t("detail.channel")}</span><b>${tOr(`channel.${row.channel}`, row.channel)}</b>
      <span>${t("detail.trapped")}</span><b class="num">${row.trapped ?? t("detail.unknown")}</b></p>
    ${row.confirmation && html`<p class="note">${t("detail.confirmed", { name: row.confirmed_by ?? "", how: row.confirmation })}</p>`}
    <${Moves} row=${row} />
    <${Calls} row=${row} />
    <${Rescue} row=${row} />`;
}
