/** The calls of a case, their callers for those who may see them, and the link of a case by address to its lift. */
import { useEffect, useState } from "preact/hooks";
import { dialog, optimistic } from "./actions.js";
import { get, post } from "./api.js";
import { boot, mayAct } from "./boot.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { LiftSearch } from "./lift_search.js";
import { close, Modal } from "./modal.js";
import { cases, pending } from "./store.js";
import { moment } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").Case} Case */

/** Who sees a caller's name and number, as api.access says. */
const mayListen = ["dispatcher", "supervisor"].includes(boot.role);
const mayRead = mayAct || boot.role === "auditor";

/** A press shows who called, and writes down that it was shown. @param {{call: {id: number, caller: string}}} props */
function Caller({ call }) {
  const [caller, setCaller] = useState(/** @type {{name: string, phone: string, erased_at: string|null}|null} */ (null));
  if (caller && !caller.erased_at) {
    return html`<b>${caller.name}</b> <a class="tel num" href=${`tel:${caller.phone.replace(/[^+\d]/g, "")}`}>${caller.phone}</a>`;
  }
  if (call.caller !== "kept" || !mayListen || caller) return html`<span class="dim">${t(`caller.${caller ? "erased" : call.caller}`)}</span>`;
  return html`<button class="button small" title=${t("calls.look_is_recorded")}
    onClick=${() => get(`/api/v1/calls/${call.id}/caller`).then(setCaller, () => undefined)}>${t("calls.show_caller")}</button>`;
}

/** @param {{row: Case}} props */
export function Calls({ row }) {
  const [calls, setCalls] = useState(/** @type {any[]} */ ([]));
  const wanted = mayRead && (row.calls ?? 0) > 0;
  useEffect(() => {
    if (!wanted) return undefined;
    let current = true;
    get(`/api/v1/calls?case_id=${row.id}`).then((answer) => { if (current) setCalls(answer.items); }, () => undefined);
    return () => { current = false; };
  }, [row.id, row.calls, wanted]);
  return html`${row.lift_id === null && html`<p class="note abnormal" data-testid="by-address">${t("calls.by_address")}
      <button class="button small" disabled=${!mayAct || pending.value.has(`case-${row.id}`)}
        onClick=${() => { dialog.value = { name: "link", caseId: row.id }; }}>${t("calls.link")}…</button></p>`}
    ${wanted && html`<section class="block"><h3>${t("calls.title")}</h3><ul class="log">${calls.map((call) => html`<li key=${call.id}>
      <time class="num">${moment(call.at)}</time><span><b>${t(`call.${call.kind}`)}</b> ${t(`channel.${call.channel}`)} <span class="who">${call.person}</span>
      <span class="said">${call.text}</span> <${Caller} call=${call} /></span></li>`)}</ul></section>`}`;
}

/** @param {{caseId: number}} props */
export function LinkDialog({ caseId }) {
  const row = cases.value.get(caseId);
  if (!row) return null;
  const link = (/** @type {import("./lift_search.js").FoundLift} */ lift) => {
    close();
    void optimistic("case", row.id, `${t("calls.link")} ${place(lift)}`, {}, () => post(`/api/v1/cases/${row.id}/lift`, { lift_id: lift.id }, row.version));
  };
  return html`<${Modal} label=${t("calls.link")}><div class="form"><h2>${t("calls.link")}</h2><p class="question">${place(row.lift)}</p>
    <${LiftSearch} onLift=${link} />
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>${t("dialog.back")}</button></div></div><//>`;
}
