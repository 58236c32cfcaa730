/** Dialogs: the confirmation that nobody is trapped, and the sheet of keys. */
import { useState } from "preact/hooks";
import { dialog, moveCase } from "./actions.js";
import { LinkDialog } from "./calls.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { Mark } from "./icons.js";
import { Intake } from "./intake.js";
import { close, Modal } from "./modal.js";
import { SEVERITIES } from "./order.js";
import { RescueDialog, tellOut } from "./rescue.js";
import { SilenceDialog } from "./silence.js";
import { cases } from "./store.js";
import { place } from "./words.js";

export const KEYS = [
  ["N", "help.intake"], ["J K ↓ ↑", "help.move"], ["A", "help.ack"], ["Enter", "help.open"], ["C", "help.comment"], ["R", "help.release"],
  ["S", "help.shelve"], ["T", "help.first"], ["G", "help.map"], ["M", "help.sound"], ["?", "help.help"], ["Esc", "help.esc"],
];

const WAYS = ["dialog.how_crew", "dialog.how_voice", "dialog.how_property"];

/** @param {{name: "release"|"cancel", caseId: number}} props */
function Confirm({ name, caseId }) {
  const row = cases.value.get(caseId);
  const [how, setHow] = useState("");
  const [reason, setReason] = useState("");
  const report = name === "release" ? (row?.orders ?? []).map((order) => order.report).find((found) => found?.released_at) : null;
  const known = report?.trapped ?? row?.trapped;
  const [trapped, setTrapped] = useState(known == null ? "" : String(known));
  const [error, setError] = useState("");
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!how.trim()) return setError("dialog.required");
    if (name === "cancel" && !reason.trim()) return setError("dialog.required_reason");
    close();
    return void moveCase(caseId, name, { confirmation: how.trim(), trapped: trapped === "" ? null : Number(trapped), reason: reason.trim(),
      ...(report ? { injured: report.injured, release_method: report.release_method } : {}) });
  };
  const input = (/** @type {(text: string) => void} */ set) => (/** @type {any} */ event) => { set(event.target.value); setError(""); };
  return html`<${Modal} label=${t(`dialog.${name}`)}><form onSubmit=${submit} class="form">
    <h2>${t(`dialog.${name}`)}</h2>
    <p class="question">${t("dialog.question", { place: place(row?.lift) })}</p>
    ${report && html`<p class="note">${tellOut(report)}</p>`}
    <label>${t("dialog.how")}<textarea id="confirmation" rows="2" maxlength="2000" value=${how} onInput=${input(setHow)} autofocus></textarea></label>
    <div class="ways">${WAYS.map((way) => html`<button type="button" key=${way} class="button small" onClick=${() => { setHow(t(way)); setError(""); }}>${t(way)}</button>`)}</div>
    <label class="short">${t("dialog.trapped")}<input type="number" min="0" max="200" inputmode="numeric" value=${trapped} onInput=${input(setTrapped)} /></label>
    ${name === "cancel" && html`<label>${t("dialog.reason")}<input id="reason" maxlength="2000" value=${reason} onInput=${input(setReason)} /></label>`}
    ${error && html`<p class="form-error" role="alert">${t(error)}</p>`}
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>${t("dialog.back")}</button>
      <button class="button primary">${t("dialog.confirm")}</button></div></form><//>`;
}

function Help() {
  return html`<${Modal} label=${t("help.title")}><h2>${t("help.title")}</h2>
    <dl class="keys">${KEYS.map(([keys, key]) => html`<dt key=${key}>${keys.split(" ").map((one) => html`<kbd key=${one}>${one}</kbd> `)}</dt><dd>${t(key)}</dd>`)}</dl>
    <h3>${t("help.priorities")}</h3><p class="legend">${SEVERITIES.map((name) => html`<span key=${name}><${Mark} severity=${name} /> ${t(`severity.${name}`)}</span>`)}</p>
    <div class="dialog-foot"><button class="button primary" onClick=${close} autofocus>${t("help.close")}</button></div><//>`;
}

export function Dialogs() {
  const open = dialog.value;
  if (!open) return null;
  if (open.name === "help") return html`<${Help} />`;
  if (open.name === "intake") return html`<${Intake} />`;
  if (open.name === "link") return html`<${LinkDialog} caseId=${open.caseId ?? 0} />`;
  if (open.alarmId !== undefined) return html`<${SilenceDialog} key=${`${open.name}-${open.alarmId}`} name=${open.name} alarmId=${open.alarmId} />`;
  if (open.name !== "release" && open.name !== "cancel") return html`<${RescueDialog} key=${`${open.name}-${open.caseId}`} name=${open.name} caseId=${open.caseId ?? 0} orderId=${open.orderId} />`;
  return html`<${Confirm} key=${open.caseId} name=${open.name} caseId=${open.caseId} />`;
}
