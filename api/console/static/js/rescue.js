/** Who was sent to a case, the 119 list, and the desk's own hand: send, raise the level, what is known of the people inside. */
import { useEffect, useState } from "preact/hooks";
import { dialog, optimistic } from "./actions.js";
import { get, post } from "./api.js";
import { mayAct } from "./boot.js";
import { html } from "./html.js";
import { t, tOr } from "./i18n.js";
import { close, Modal } from "./modal.js";
import { cases, pending } from "./store.js";
import { moment } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").Case} Case */
/** @typedef {import("./types.js").Order} Order */

const KINDS = ["child", "elderly", "pregnant", "disabled", "ill", "panic"];
const TIMES = /** @type {const} */ ([["arrived_at", "order.arrived"], ["set_out_at", "order.on_the_way"], ["accepted_at", "order.accepted"], ["sent_at", "order.sent"]]);

/** @param {Order} order */
const who = (order) => order.unit?.name ?? order.firm?.name ?? order.addressee;

/** An act on the case at the version that is on the screen. @param {Case} row @param {string} path @param {object} body @param {string} what */
const act = (row, path, body, what) => optimistic("case", row.id, `${what} ${t("case.number", { id: row.id })}`, {},
  () => post(`/api/v1/cases/${row.id}/${path}`, body, row.version));

/** The order's own version counts; the case comes back with what followed. @param {Case} row @param {Order} order @param {string} move @param {string} [reason] */
const moveOrder = (row, order, move, reason) => optimistic("case", row.id, `${t(`order_move.${move}`)} ${who(order)}`, {}, async () => {
  await post(`/api/v1/orders/${order.id}/moves`, { move, ...(reason ? { reason } : {}) }, order.version);
  return get(`/api/v1/cases/${row.id}`);
});

/** What the crew has said beside its moves: from where it arrived, and that everybody is out. @param {Order} order */
function told({ report }) {
  const parts = [];
  if (report?.metres != null) parts.push(t("report.arrived", { n: report.metres }));
  if (report?.released_at) parts.push(tellOut(report));
  return parts.join(" · ");
}

/** @param {import("./types.js").Report} report */
export const tellOut = (report) => t("report.out", { at: moment(report.released_at), person: report.released_by ?? "",
  how: t(`method.${report.release_method}`), trapped: report.trapped ?? 0, injured: report.injured ?? 0 });

/** Why this one, in words. @param {Order} order */
function why(order) {
  const { metres, load, by_hand: byHand, position_age_s: age } = order.reasons;
  const parts = [];
  if (typeof byHand === "string") parts.push(byHand);
  if (typeof metres === "number") parts.push(t("order.far", { km: (metres / 1000).toFixed(1) }));
  if (typeof age === "number") parts.push(t("order.position_age", { n: Math.round(age / 60) }));
  if (typeof load === "number" && load > 0) parts.push(t("order.load", { n: load }));
  return parts.join(" · ");
}

/** @param {{row: Case, order: Order}} props */
function OrderLine({ row, order }) {
  const busy = !mayAct || pending.value.has(`case-${row.id}`);
  const [name, words] = TIMES.find(([time]) => order[time]) ?? TIMES[3];
  const phone = order.unit?.phone || order.firm?.phone;
  return html`<li class=${`order${order.live ? "" : " over"}`} data-order=${order.id}>
    <p><span class="chip strong">${t("level", { n: order.level })}</span> <b>${who(order)}</b>
      <span class="chip">${t(`order.${order.state}`)}</span>
      ${order.late_at && html`<span class="chip abnormal">${t("order.late")}</span>`}
      ${phone && html`<a href=${`tel:${phone}`} class="num">${phone}</a>`}
      <span class="dim">${t(words)} <time class="num">${moment(order[name])}</time></span>
      ${why(order) && html`<span class="dim">${why(order)}</span>`}
      ${told(order) && html`<span class="told" data-testid="told">${told(order)}</span>`}</p>
    ${order.live && order.allowed_moves.length > 0 && html`<div class="moves">${order.allowed_moves.map((move) => html`
      <button key=${move.name} class="button small" disabled=${busy} onClick=${() => (move.reason
        ? (dialog.value = { name: `order-${move.name}`, caseId: row.id, orderId: order.id })
        : void moveOrder(row, order, move.name))}>${t(`order_move.${move.name}`)}${move.reason ? "…" : ""}</button>`)}</div>`}</li>`;
}

/** @param {{row: Case}} props */
function Checklist({ row }) {
  const steps = row.steps ?? [];
  if (steps.length === 0) return null;
  const busy = !mayAct || pending.value.has(`case-${row.id}`);
  return html`<section class="block"><h3>${t("rescue.checklist")}</h3><ul class="checklist">${steps.map((step) => html`
    <li key=${step.step}><label class="choice"><input type="checkbox" checked=${step.done_at !== null} disabled=${busy || step.done_at !== null}
      onChange=${() => act(row, `steps/${step.step}`, {}, t(`step.${step.step}`))} /> ${t(`step.${step.step}`)}</label>
      ${step.done_at && html`<span class="dim">${step.person} <time class="num">${moment(step.done_at)}</time></span>`}</li>`)}</ul></section>`;
}

/** @param {{row: Case}} props */
export function Rescue({ row }) {
  const orders = [...(row.orders ?? [])].reverse();
  const running = row.state === "open" || row.state === "dispatched" || row.state === "on_site";
  const busy = !mayAct || pending.value.has(`case-${row.id}`);
  const first = row.vulnerable?.length > 0 || (row.injured ?? 0) > 0;
  return html`${row.waits_since && running && html`<p class="note abnormal" role="alert" data-testid="no-unit">${t("rescue.no_unit", { since: moment(row.waits_since) })}</p>`}
    ${first && running && html`<p class="note abnormal">${t("rescue.first")} ${row.vulnerable.map((kind) => t(`vulnerable.${kind}`)).join("、")}
      ${(row.injured ?? 0) > 0 && html` ${t("rescue.injured", { n: row.injured ?? 0 })}`}</p>`}
    <section class="block"><h3>${t("rescue.orders")}</h3>
      ${orders.length === 0 ? html`<p class="none">${t("rescue.nobody")}</p>` : html`<ul class="orders">${orders.map((order) => html`<${OrderLine} key=${order.id} row=${row} order=${order} />`)}</ul>`}
      ${running && html`<div class="moves">
        <button class="button small" disabled=${busy} onClick=${() => { dialog.value = { name: "send", caseId: row.id }; }}>${t("rescue.send")}…</button>
        ${row.level < 3 && row.kind !== "fault" && html`<button class="button small" disabled=${busy} onClick=${() => { dialog.value = { name: "raise", caseId: row.id }; }}>${t("rescue.raise", { n: row.level + 1 })}…</button>`}
        <button class="button small" disabled=${busy} onClick=${() => { dialog.value = { name: "facts", caseId: row.id }; }}>${t("rescue.facts")}…</button></div>`}</section>
    <${Checklist} row=${row} />`;
}

// --- dialogs ---

/** @param {{title: string, row: Case, act: string, onSubmit: () => string|null, children?: any}} props */
function Frame({ title, row, act: label, onSubmit, children }) {
  const [error, setError] = useState("");
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const trouble = onSubmit();
    if (trouble) setError(trouble);
    else close();
  };
  return html`<${Modal} label=${title}><form onSubmit=${submit} class="form"><h2>${title}</h2><p class="question">${place(row.lift)}</p>
    ${children}${error && html`<p class="form-error" role="alert">${t(error)}</p>`}
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>${t("dialog.back")}</button>
      <button class="button primary">${label}</button></div></form><//>`;
}

/** @param {{value: string, set: (text: string) => void}} props */
const Reason = ({ value, set }) => html`<label>${t("rescue.reason")}<input id="rescue-reason" maxlength="2000" autocomplete="off" value=${value}
  onInput=${(/** @type {any} */ event) => set(event.target.value)} autofocus /></label>`;

/** @param {{row: Case}} props */
function Send({ row }) {
  const [found, setFound] = useState(/** @type {{unit_id: number, name: string, metres: number|null, load: number, crews: number}[]} */ ([]));
  const [chosen, setChosen] = useState("");
  const [reason, setReason] = useState("");
  useEffect(() => {
    get(`/api/v1/cases/${row.id}/candidates`).then((answer) => setFound(answer.items), () => setFound([]));
  }, [row.id]);
  const choices = [...found.map((unit) => ({ key: `unit-${unit.unit_id}`, body: { addressee: "unit", unit_id: unit.unit_id },
    text: `${unit.name}${unit.metres === null ? "" : ` · ${t("order.far", { km: (unit.metres / 1000).toFixed(1) })}`} · ${unit.load}/${unit.crews}` })),
    ...(row.firm ? [{ key: "firm", body: { addressee: "firm" }, text: row.firm.name }] : []),
    { key: "119", body: { addressee: "119" }, text: t("rescue.called_119") }, { key: "120", body: { addressee: "120" }, text: t("rescue.called_120") }];
  const onSubmit = () => {
    const choice = choices.find((item) => item.key === chosen);
    if (!choice) return "rescue.choose";
    if (!reason.trim()) return "dialog.required_reason";
    void act(row, "orders", { ...choice.body, reason: reason.trim() }, t("rescue.send"));
    return null;
  };
  return html`<${Frame} title=${t("rescue.send")} row=${row} act=${t("rescue.send")} onSubmit=${onSubmit}>
    <fieldset class="ends"><legend>${t("rescue.whom")}</legend>${choices.map((item) => html`<label key=${item.key} class="choice">
      <input type="radio" name="whom" checked=${item.key === chosen} onChange=${() => setChosen(item.key)} /> ${item.text}</label>`)}</fieldset>
    <${Reason} value=${reason} set=${setReason} /><//>`;
}

/** @param {{row: Case}} props */
function Raise({ row }) {
  const [reason, setReason] = useState("");
  const title = t("rescue.raise", { n: row.level + 1 });
  const onSubmit = () => {
    if (!reason.trim()) return "dialog.required_reason";
    void act(row, "level", { level: row.level + 1, reason: reason.trim() }, title);
    return null;
  };
  return html`<${Frame} title=${title} row=${row} act=${title} onSubmit=${onSubmit}><${Reason} value=${reason} set=${setReason} /><//>`;
}

/** @param {{row: Case}} props */
function Facts({ row }) {
  const [counts, setCounts] = useState({ trapped: row.trapped ?? "", injured: row.injured ?? "" });
  const [kinds, setKinds] = useState(new Set(row.vulnerable));
  const onSubmit = () => {
    const numbers = Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== "").map(([name, value]) => [name, Number(value)]));
    void act(row, "facts", { ...numbers, vulnerable: [...kinds] }, t("rescue.facts"));
    return null;
  };
  const toggle = (/** @type {string} */ kind) => setKinds(new Set(kinds.has(kind) ? [...kinds].filter((item) => item !== kind) : [...kinds, kind]));
  return html`<${Frame} title=${t("rescue.facts")} row=${row} act=${t("rescue.save")} onSubmit=${onSubmit}>
    ${/** @type {const} */ (["trapped", "injured"]).map((name) => html`<label key=${name} class="short">${t(name === "trapped" ? "dialog.trapped" : "rescue.injured_count")}
      <input type="number" min="0" max="1000" inputmode="numeric" value=${counts[name]} onInput=${(/** @type {any} */ event) => setCounts({ ...counts, [name]: event.target.value })} /></label>`)}
    <fieldset class="ends"><legend>${t("rescue.inside")}</legend>${KINDS.map((kind) => html`<label key=${kind} class="choice">
      <input type="checkbox" checked=${kinds.has(kind)} onChange=${() => toggle(kind)} /> ${t(`vulnerable.${kind}`)}</label>`)}</fieldset><//>`;
}

/** @param {{row: Case, orderId: number, move: string}} props */
function OrderReason({ row, orderId, move }) {
  const [reason, setReason] = useState("");
  const order = row.orders.find((item) => item.id === orderId);
  if (!order) return null;
  const title = `${tOr(`order_move.${move}`, move)}: ${who(order)}`;
  const onSubmit = () => {
    if (!reason.trim()) return "dialog.required_reason";
    void moveOrder(row, order, move, reason.trim());
    return null;
  };
  return html`<${Frame} title=${title} row=${row} act=${t(`order_move.${move}`)} onSubmit=${onSubmit}><${Reason} value=${reason} set=${setReason} /><//>`;
}

/** The dialogs of this page, by name; null for a name that is another's. @param {{name: string, caseId: number, orderId?: number}} props */
export function RescueDialog({ name, caseId, orderId }) {
  const row = cases.value.get(caseId);
  if (!row) return null;
  if (name === "send") return html`<${Send} row=${row} />`;
  if (name === "raise") return html`<${Raise} row=${row} />`;
  if (name === "facts") return html`<${Facts} row=${row} />`;
  return html`<${OrderReason} row=${row} orderId=${orderId ?? 0} move=${name.replace("order-", "")} />`;
}
