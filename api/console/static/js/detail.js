/** The middle of the page: what is selected. Reads the details of a case or alarm again whenever its version moves. */
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { comment, detailTick, openDetail } from "./actions.js";
import { AlarmHead, Evidence } from "./alarm_panel.js";
import { get } from "./api.js";
import { mayAct } from "./boot.js";
import { CaseHead } from "./case_panel.js";
import { html } from "./html.js";
import { t, titleOf, tOr } from "./i18n.js";
import { Mark } from "./icons.js";
import { IncidentPage } from "./incident.js";
import { LiftPanel } from "./lift_panel.js";
import { alarms, cases, incidents, lastLift, select, selected, selectedLift, view } from "./store.js";
import { moment } from "./time.js";

/** @typedef {import("./types.js").LogRow} LogRow */
/** @typedef {import("./types.js").Selection} Selection */

/** Set when the comment field should take the focus as soon as it is drawn. */
let focusWanted = false;

/** The cursor goes into the comment: at once when it is on screen, so that no letter typed is taken for a command. */
export function focusComment() {
  const field = document.getElementById("comment");
  focusWanted = !field || field.offsetParent === null;
  field?.focus();
}

/**
 * @param {Selection|null} target
 * @param {number|undefined} version  of the row in the stream; a new one means: read again
 * @returns {{row: any, error: string}}
 */
function useDetail(target, version) {
  const [state, setState] = useState({ key: "", row: /** @type {any} */ (null), error: "" });
  const key = target ? `${target.kind}-${target.id}` : "";
  const tick = detailTick.value;
  useEffect(() => {
    if (!target || target.kind === "lift") return undefined;
    let current = true;
    get(`/api/v1/${target.kind}s/${target.id}`).then(
      (row) => {
        if (!current) return;
        lastLift.value = row.lift_id ?? null;
        setState({ key, row, error: "" });
      },
      (error) => { if (current) setState({ key, row: null, error: error.message }); },
    );
    return () => { current = false; };
  }, [key, version, tick]);
  return state.key === key ? state : { row: null, error: "" };
}

/** @param {{rows: LogRow[]|undefined, title: string}} props */
function Log({ rows, title }) {
  return html`<section class="block"><h3>${title}</h3>
    ${!rows || rows.length === 0 ? html`<p class="none">${t("detail.no_log")}</p>` : html`<ol class="log">${[...rows].reverse().map((row, index) => html`
      <li key=${rows.length - index}><time class="num">${moment(row.at)}</time><span><b>${tOr(`event.${row.kind}`, row.kind)}</b>${" "}
        <span class="who">${row.person ?? t("event.system")}</span>
        ${wordsOf(row) && html`<span class="said">${wordsOf(row)}</span>`}</span></li>`)}</ol>`}
  </section>`;
}

/** What was said in a row of a log, whichever field holds it. @param {LogRow} row */
function wordsOf(row) {
  const said = row.reason ?? row.detail?.text ?? row.after?.text ?? row.after?.confirmation;
  return typeof said === "string" ? said : "";
}

/** @param {{target: Selection}} props */
function Comment({ target }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const shown = view.value;
  useLayoutEffect(() => {
    if (focusWanted) focusComment();
  }, [shown]);
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text.trim() || busy) return;
    setBusy(true);
    if (await comment(target, text.trim())) setText("");
    setBusy(false);
  };
  return html`<form class="comment" onSubmit=${save}><label for="comment" class="hidden">${t("detail.comment")}</label>
    <input id="comment" maxlength="2000" autocomplete="off" disabled=${!mayAct} placeholder=${mayAct ? t("detail.comment_placeholder") : t("detail.read_only")}
      value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
    <button class="button" disabled=${busy || !text.trim()}>${t("detail.comment_save")}</button></form>`;
}

/** Other alarms to jump to. @param {{title: string, rows: import("./types.js").Alarm[]}} props */
function Related({ title, rows }) {
  if (rows.length === 0) return null;
  rows.sort((a, b) => a.id - b.id);
  return html`<section class="block"><h3>${title}</h3><ul class="related">${rows.map((row) => html`
    <li key=${row.id}><button class="link" onClick=${() => openDetail({ kind: "alarm", id: row.id })}><${Mark} severity=${row.severity}
      quiet=${row.operator_state !== "unacknowledged"} /> ${titleOf(row.title)}<span class="num dim">${moment(row.raised_at)}</span>
      ${row.condition === "cleared" && html`<span class="chip">${t("condition.cleared")}</span>`}</button></li>`)}</ul></section>`;
}

/** @param {{target: Selection}} props */
function CaseDetail({ target }) {
  const live = cases.value.get(target.id);
  const { row, error } = useDetail(target, live?.version);
  const shown = live ? { ...row, ...live, allowed_moves: live.allowed_moves ?? row?.allowed_moves ?? [] } : row;
  if (!shown) return html`<p class="none">${error ? t("detail.error", { reason: error }) : "…"}</p>`;
  const related = [...alarms.value.values()].filter((alarm) => alarm.case_id === target.id || (alarm.lift_id === shown.lift_id));
  return html`<${CaseHead} row=${shown} gone=${!live} /><${Comment} key=${`c${target.id}`} target=${target} />
    <${Related} title=${t("detail.lift_alarms")} rows=${related} /><${Log} rows=${row?.log} title=${t("detail.log")} />`;
}

/** @param {{target: Selection}} props */
function AlarmDetail({ target }) {
  const live = alarms.value.get(target.id);
  const { row, error } = useDetail(target, live?.version);
  const shown = live ? { ...row, ...live } : row;
  if (!shown) return html`<p class="none">${error ? t("detail.error", { reason: error }) : "…"}</p>`;
  return html`<${AlarmHead} row=${shown} gone=${!live} /><${Comment} key=${`a${target.id}`} target=${target} />
    <${Evidence} evidence=${row?.evidence} /><${Log} rows=${row?.history} title=${t("detail.history")} />`;
}

/** @param {{target: Selection}} props */
function IncidentDetail({ target }) {
  const live = incidents.value.get(target.id);
  const { row, error } = useDetail(target, live?.version);
  const shown = row ?? live;
  if (!shown) return html`<p class="none">${error ? t("detail.error", { reason: error }) : "…"}</p>`;
  return html`<${IncidentPage} row=${shown} gone=${!live} />`;
}

/** @param {{id: number}} props */
function LiftDetail({ id }) {
  const rows = [...alarms.value.values()].filter((alarm) => alarm.lift_id === id);
  return html`<header class="head"><h2>${t("lift.title")}</h2></header>
    ${rows.length === 0 && html`<p class="none">${t("detail.no_lift_alarms")}</p>`}<${Related} title=${t("detail.lift_alarms")} rows=${rows} />`;
}

export function Detail() {
  const target = selected.value;
  const lift = selectedLift.value;
  if (!target) {
    return html`<main class="detail empty"><p>${t("detail.empty")}</p><p class="dim">${t("detail.empty_hint")}</p></main>`;
  }
  const panel = target.kind === "case" ? html`<${CaseDetail} key=${target.id} target=${target} />`
    : target.kind === "alarm" ? html`<${AlarmDetail} key=${target.id} target=${target} />`
    : target.kind === "incident" ? html`<${IncidentDetail} key=${target.id} target=${target} />` : html`<${LiftDetail} id=${target.id} />`;
  return html`<main class="detail">
    <button class="button small back" onClick=${() => { view.value = "list"; }}>‹ ${t("detail.back")}</button>
    <div class="panel event">${panel}</div>
    ${lift !== null && html`<${LiftPanel} key=${lift} id=${lift} />`}
    <button class="tool close" aria-label=${t("detail.close")} title=${`${t("detail.close")} (Esc)`} onClick=${() => select(null)}>×</button>
  </main>`;
}
