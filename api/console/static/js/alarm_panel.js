/** Head of an alarm: what the lift is, what the desk has done, and the evidence that raised it. */
import { acknowledge } from "./actions.js";
import { mayAct } from "./boot.js";
import { html } from "./html.js";
import { t, titleOf, tOr } from "./i18n.js";
import { Mark } from "./icons.js";
import { Tags } from "./tags.js";
import { SilenceButtons } from "./silence.js";
import { pending } from "./store.js";
import { duration, moment, now } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").Alarm} Alarm */

/** @param {{since: string}} props */
const Age = ({ since }) => html`<span class="big-clock"><b class="num">${duration(now.value - Date.parse(since))}</b></span>`;

/** @param {{row: Alarm, gone: boolean}} props */
export function AlarmHead({ row, gone }) {
  const loud = row.operator_state === "unacknowledged";
  const shelved = row.operator_state === "shelved";
  return html`<header class=${`head ${row.severity}`}>
      <${Mark} severity=${row.severity} quiet=${!loud} />
      <div class="head-text"><p class="head-kind"><b>${titleOf(row.title)}</b> <span class="dim">${t("alarm.number", { id: row.id })}</span>
        <span class="chip">${t(`severity.${row.severity}`)}</span><span class="chip strong">${t(`condition.${row.condition}`)}</span><span class="chip">${t(`operator.${row.operator_state}`)}</span><${Tags} row=${row} /></p>
        <h2>${place(row.lift)}</h2><p class="dim">${row.lift?.district} ${row.lift?.address}</p></div>
      ${row.condition === "active" && html`<${Age} since=${row.raised_at} />`}
    </header>
    ${gone && html`<p class="gone">${t("detail.gone")}</p>`}
    <ol class="steps four"><li class="done"><span>${t("detail.raised")}</span><time class="num">${moment(row.raised_at)}</time></li>
      <li class="done"><span>${t("detail.detected")}</span><time class="num">${moment(row.detected_at)}</time></li>
      <li class=${row.acknowledged_at ? "done" : ""}><span>${t("detail.acknowledged")}</span>
        <time class="num">${row.acknowledged_at ? `${moment(row.acknowledged_at)} ${row.acknowledged_by ?? ""}` : "—"}</time></li>
      <li class=${row.cleared_at ? "done" : ""}><span>${t("condition.cleared")}</span><time class="num">${row.cleared_at ? moment(row.cleared_at) : "—"}</time></li></ol>
    <p class="pairs"><span>${t("detail.rule")}</span><b>${row.rule_id} <small class="dim">${row.rule_version}</small></b>
      ${row.repeats > 0 && html`<span></span><b>${t("list.repeats", { n: row.repeats })}</b>`}
      ${row.witnesses && row.witnesses.length > 0 && html`<span>${t("detail.witnesses")}</span><b>${row.witnesses.map((one) => tOr(`witness.${one}`, one)).join(", ")}</b>`}</p>
    ${shelved && html`<p class="note">${t("silence.shelved_by", { name: row.shelved_by ?? "", until: moment(row.shelved_until), why: row.shelve_reason ?? "" })}</p>`}
    ${row.out_of_service && html`<p class="note">${t("silence.removed")}</p>`}
    ${row.ticket_id && html`<p class="note"><a href=${`/tickets/${row.ticket_id}`}>${t("alarm.ticket")}</a></p>`}
    <div class="moves">${loud && html`<button class="button primary" disabled=${!mayAct || pending.value.has(`alarm-${row.id}`)}
      onClick=${() => acknowledge({ kind: "alarm", id: row.id })}>${t("act.acknowledge")} <kbd>A</kbd></button>`}
      <${SilenceButtons} row=${row} gone=${gone} /></div>`;
}

/** One value of the evidence, bare or with its time. @param {unknown} item */
function valueOf(item) {
  const bare = item !== null && typeof item === "object" && "value" in item ? item.value : item;
  return bare === null || bare === undefined ? t("detail.unknown") : typeof bare === "object" ? JSON.stringify(bare) : String(bare);
}

/** @param {{evidence: Record<string, unknown>|undefined}} props */
export function Evidence({ evidence }) {
  const rows = Object.entries(evidence ?? {});
  if (rows.length === 0) return null;
  return html`<section class="block"><h3>${t("detail.evidence")}</h3>
    <table class="evidence"><tbody>${rows.map(([name, item]) => html`<tr key=${name}><th scope="row">${name}</th><td class="num">${valueOf(item)}</td></tr>`)}</tbody></table></section>`;
}
