/** Silencing: shelve an alarm for a time, take its rule out of service. Never what stands for a person. */
import { useState } from "preact/hooks";
import { ApiError, get, post } from "./api.js";
import { detailTick, dialog, optimistic, reason, toast } from "./actions.js";
import { mayAct } from "./boot.js";
import { html } from "./html.js";
import { t, titleOf } from "./i18n.js";
import { close, Modal } from "./modal.js";
import { isForPerson } from "./order.js";
import { alarms, pending } from "./store.js";
import { now } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").Alarm} Alarm */

const MINUTE_MS = 60_000;
/** Ends to choose from, in minutes. The longest stays a minute below the limit, whatever the two clocks say. */
const SHELVE_MIN = [30, 60, 240, 480, 1_439];
const REMOVE_MIN = [1_440, 10_080, 43_200, 0];

/** S: shelve what is selected, or bring it back. @param {Alarm|undefined} row */
export function toggleShelved(row) {
  if (!row || !mayAct) return;
  if (isForPerson(row)) toast(t("toast.never_shelved"), true);
  else if (row.operator_state === "shelved") void unshelve(row);
  else dialog.value = { name: "shelve", alarmId: row.id };
}

/** @param {Alarm} row */
const named = (row) => t("alarm.number", { id: row.id });

/** @param {Alarm} row @param {string} why @param {number} minutes */
function shelve(row, why, minutes) {
  const until = new Date(now.peek() + minutes * MINUTE_MS).toISOString();
  const patch = { operator_state: "shelved", shelved_until: until, shelve_reason: why };
  return optimistic("alarm", row.id, `${t("act.shelve")} ${named(row)}`, patch,
    () => post(`/api/v1/alarms/${row.id}/shelve`, { reason: why, until }, row.version));
}

/** @param {Alarm} row */
const unshelve = (row) => optimistic("alarm", row.id, `${t("act.unshelve")} ${named(row)}`, {},
  () => post(`/api/v1/alarms/${row.id}/unshelve`, {}, row.version));

/** What changes other rows than its own: nothing is shown before the stream says so. @param {string} what @param {() => Promise<any>} request */
async function plainly(what, request) {
  try {
    await request();
    detailTick.value += 1;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(t("toast.rolled_back", { what, why: error.status === 409 ? error.body.detail : reason(error) }), true);
  }
}

/** @param {Alarm} row @param {string} why @param {number} minutes  0: until a person ends it */
function remove(row, why, minutes) {
  const until = minutes ? new Date(now.peek() + minutes * MINUTE_MS).toISOString() : null;
  return plainly(`${t("act.out_of_service")} ${named(row)}`,
    () => post(`/api/v1/lifts/${row.lift_id}/out-of-service`, { rule_id: row.rule_id, reason: why, until }));
}

/** @param {Alarm} row */
const putBack = (row) => plainly(`${t("act.in_service")} ${named(row)}`, async () => {
  const found = await get(`/api/v1/out-of-service?ended=false&lift_id=${row.lift_id}&rule_id=${encodeURIComponent(row.rule_id)}`);
  for (const item of found.items) await post(`/api/v1/out-of-service/${item.id}/end`, {});
});

/** The buttons of an alarm that may be silenced. @param {{row: Alarm, gone: boolean}} props */
export function SilenceButtons({ row, gone }) {
  if (gone || isForPerson(row)) return null;
  const busy = !mayAct || pending.value.has(`alarm-${row.id}`);
  const shelved = row.operator_state === "shelved";
  return html`<button class="button" disabled=${busy} onClick=${() => toggleShelved(row)}>${t(shelved ? "act.unshelve" : "act.shelve")}${shelved ? "" : "…"} <kbd>S</kbd></button>
    <button class="button" disabled=${busy} onClick=${() => (row.out_of_service ? void putBack(row) : (dialog.value = { name: "remove", alarmId: row.id }))}>
      ${t(row.out_of_service ? "act.in_service" : "act.out_of_service")}${row.out_of_service ? "" : "…"}</button>`;
}

/** @param {number} minutes */
function lasting(minutes) {
  if (minutes === 0) return t("silence.open_end");
  if (minutes < 60) return t("unit.min", { n: minutes });
  return minutes < 2_880 ? t("unit.h", { n: Math.round(minutes / 60) }) : t("unit.d", { n: Math.round(minutes / 1_440) });
}

/** Reason and end of either silencing. @param {{name: "shelve"|"remove", alarmId: number}} props */
export function SilenceDialog({ name, alarmId }) {
  const row = alarms.value.get(alarmId);
  const choices = name === "shelve" ? SHELVE_MIN : REMOVE_MIN;
  const [why, setWhy] = useState("");
  const [minutes, setMinutes] = useState(choices[1]);
  const [error, setError] = useState("");
  if (!row) return null;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!why.trim()) return setError("dialog.required_reason");
    close();
    return void (name === "shelve" ? shelve(row, why.trim(), minutes) : remove(row, why.trim(), minutes));
  };
  const title = t(name === "shelve" ? "act.shelve" : "act.out_of_service");
  return html`<${Modal} label=${title}><form onSubmit=${submit} class="form">
    <h2>${title}</h2>
    <p class="question">${titleOf(row.title)} · ${place(row.lift)}</p>
    <p class="dim">${t(name === "shelve" ? "silence.shelve_hint" : "silence.remove_hint")}</p>
    <label>${t("silence.reason")}<input id="silence-reason" maxlength="2000" autocomplete="off" value=${why} autofocus
      onInput=${(/** @type {any} */ event) => { setWhy(event.target.value); setError(""); }} /></label>
    <fieldset class="ends"><legend>${t("silence.until")}</legend>${choices.map((choice) => html`<label key=${choice} class="choice">
      <input type="radio" name="end" checked=${choice === minutes} onChange=${() => setMinutes(choice)} /> ${lasting(choice)}</label>`)}</fieldset>
    ${error && html`<p class="form-error" role="alert">${t(error)}</p>`}
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>${t("dialog.back")}</button>
      <button class="button primary">${title}</button></div></form><//>`;
}
