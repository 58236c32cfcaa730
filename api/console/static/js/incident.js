/** Area incidents: one row for many lifts, its own page, and the band that says that the desk is flooded. */
import { openDetail } from "./actions.js";
import { html } from "./html.js";
import { t, titleOf, tOr } from "./i18n.js";
import { Elapsed, Row } from "./row.js";
import { alarms, cases, floods } from "./store.js";
import { Tags } from "./tags.js";
import { clock, moment } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").Incident} Incident */

/** Several lifts in one frame. */
const AreaMark = () => html`<svg class="mark area" viewBox="0 0 20 20" role="img" aria-label=${t("incident.title")}>
  <path d="M1.5 1.5h17v17h-17z" /><path d="M4.5 5h4v4h-4zM11.5 5h4v4h-4zM4.5 11.5h4v4h-4zM11.5 11.5h4v4h-4z" /></svg>`;

/** Entrapments of it that still run. @param {Incident} row */
const running = (row) => row.entrapments.filter((one) => ["open", "dispatched", "on_site"].includes(one.state)).length;

/** @param {{row: Incident}} props */
const Kind = ({ row }) => html`<b>${t(`incident.kind.${row.kind}`)}</b><span class="chip strong">${t(`incident.cause.${row.cause}`)}</span><${Tags} row=${row} />`;

/** @param {{entry: import("./types.js").Entry}} props */
export function IncidentRow({ entry }) {
  const row = /** @type {Incident} */ (entry.row);
  const trapped = running(row);
  return html`<${Row} entry=${entry} label=${row.name} tone="major" loud=${true}>
    <${AreaMark} /><span class="row-title"><${Kind} row=${row} /></span><${Elapsed} since=${row.opened_at} />
    <span class="row-place">${row.name}</span>
    <span class="row-foot"><span class="note num">${t("incident.lifts", { n: row.lift_count, active: row.active_lifts })}</span>
      ${trapped > 0 && html`<span class="note abnormal num">${t("incident.trapped", { n: trapped })}</span>`}</span><//>`;
}

/** @param {{row: Incident, gone: boolean}} props */
export function IncidentPage({ row, gone }) {
  return html`<header class="head major"><${AreaMark} />
      <div class="head-text"><p class="head-kind"><${Kind} row=${row} /><span class="dim">${t("incident.number", { id: row.id })}</span></p>
        <h2>${row.name}</h2><p class="num">${t("incident.lifts", { n: row.lift_count, active: row.active_lifts })}</p></div></header>
    ${gone && html`<p class="gone">${t("detail.gone")}</p>`}
    <ol class="steps three"><li class="done"><span>${t("detail.opened")}</span><time class="num">${moment(row.opened_at)}</time></li>
      <li class="done"><span>${t("incident.last_joined")}</span><time class="num">${moment(row.last_joined_at)}</time></li>
      <li class=${row.ended_at ? "done" : ""}><span>${t("incident.ended")}</span><time class="num">${row.ended_at ? moment(row.ended_at) : "—"}</time></li></ol>
    <section class="block"><h3>${t("incident.entrapments")}</h3>
      ${row.entrapments.length === 0 && html`<p class="none">${t("incident.no_entrapments")}</p>`}
      <ul class="related">${row.entrapments.map((one) => html`<${Entrapment} key=${one.case_id} one=${one} />`)}</ul></section>
    <section class="block"><h3>${t("incident.of_lifts")}</h3>
      <ul class="related">${row.lifts.map((one) => html`<${Member} key=${one.lift_id} one=${one} />`)}</ul></section>`;
}

/** One entrapment, as the stream has it now where it is open. @param {{one: Incident["entrapments"][0]}} props */
function Entrapment({ one }) {
  const live = { ...one, ...cases.value.get(one.case_id) };
  const first = live.vulnerable.map((kind) => t(`vulnerable.${kind}`)).join("、");
  return html`<li><button class="link" onClick=${() => openDetail({ kind: "case", id: one.case_id })}><b>${t("case.number", { id: one.case_id })}</b> ${place(one.lift)}
    <span class="chip">${t(`state.${live.state}`)}</span>${live.level > 1 && html`<span class="chip strong">${t("level", { n: live.level })}</span>`}
    ${live.waits_since && html`<span class="chip abnormal">${t("list.no_unit")}</span>`}${first && html`<span class="chip abnormal">${first}</span>`}
    <span class="num dim">${moment(one.opened_at)}</span></button></li>`;
}

/** One lift of an incident: its alarms that are on the desk, to jump to. @param {{one: Incident["lifts"][0]}} props */
function Member({ one }) {
  const known = one.alarm_ids.map((id) => alarms.value.get(id));
  const shown = known.find((row) => row !== undefined);
  const titles = one.rules.map((rule) => titleOf(known.find((row) => row?.rule_id === rule)?.title ?? { zh: rule, en: rule }));
  const open = () => openDetail(shown ? { kind: "alarm", id: shown.id } : { kind: "lift", id: one.lift_id });
  return html`<li><button class="link" onClick=${open}>${place(one.lift)} <span class="dim">${titles.join(", ")}</span>
    <span class="chip">${t(one.active ? "condition.active" : "condition.cleared")}</span>
    ${shown && html`<span class="chip">${tOr(`operator.${shown.operator_state}`, shown.operator_state)}</span>`}
    <span class="num dim">${moment(one.joined_at)}</span></button></li>`;
}

/** More alarms than a desk can handle: said in words, with a shape of its own. */
export function FloodBand() {
  return html`${[...floods.value.values()].map((row) => html`<div key=${row.id} class=${`band flood${row.exercise ? " exercise" : ""}`} role="status" data-testid="flood">
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="M1 6c3-3 6 3 9 0s6 3 9 0M1 11c3-3 6 3 9 0s6 3 9 0M1 16c3-3 6 3 9 0s6 3 9 0" /></svg>
    <span>${t("band.flood", { n: row.peak, since: clock(Date.parse(row.began_at)) })}${row.exercise ? ` · ${t("list.exercise")}` : ""}</span></div>`)}`;
}
