/** What a person does: acknowledge, move, comment. Shown at once, taken back visibly when the server disagrees. */
import { signal } from "@preact/signals";
import { ApiError, get, post } from "./api.js";
import { boot, mayAct } from "./boot.js";
import { t } from "./i18n.js";
import { alarms, caseEntries, cases, dispatch, entries, lastLift, pending, select, selected, view } from "./store.js";
import { now } from "./time.js";

/** @typedef {import("./types.js").Selection} Selection */

/** @type {import("@preact/signals").Signal<{id: number, text: string, bad: boolean}[]>} */
export const toasts = signal([]);
/** Keys of rows whose optimistic change was just taken back. @type {import("@preact/signals").Signal<Set<string>>} */
export const rolledBack = signal(new Set());
/** The open dialog. @type {import("@preact/signals").Signal<{name: string, caseId?: number, alarmId?: number, orderId?: number}|null>} */
export const dialog = signal(null);
/** Counts up when a detail must be read again although its version did not change (a comment). */
export const detailTick = signal(0);

let toastId = 0;

/** @param {string} text @param {boolean} [bad] */
export function toast(text, bad = false) {
  toastId += 1;
  const id = toastId;
  toasts.value = [...toasts.value.slice(-3), { id, text, bad }];
  setTimeout(() => { toasts.value = toasts.value.filter((item) => item.id !== id); }, bad ? 10_000 : 4_000);
}

/** @param {ApiError} error */
export function reason(error) {
  if (error.status === 412) {
    const by = error.body.current?.acknowledged_by;
    return by && by !== boot.person ? t("toast.changed_by", { name: by }) : t("toast.changed");
  }
  if (error.status === 409) return t("toast.illegal");
  if (error.status === 403) return t("toast.forbidden");
  if (error.status === 0) return t("toast.network");
  return error.body.detail || t("toast.failed", { status: error.status });
}

/** @param {string} key @param {object|null} patch */
function setPending(key, patch) {
  const next = new Map(pending.peek());
  if (patch) next.set(key, patch);
  else next.delete(key);
  pending.value = next;
}

/** @param {string} key */
function flash(key) {
  rolledBack.value = new Set([...rolledBack.peek(), key]);
  setTimeout(() => { rolledBack.value = new Set([...rolledBack.peek()].filter((item) => item !== key)); }, 4_000);
}

/**
 * @param {"case"|"alarm"} kind
 * @param {number} id
 * @param {string} what  what the person did, in words
 * @param {object} patch
 * @param {() => Promise<any>} request
 * @returns {Promise<boolean>}
 */
export async function optimistic(kind, id, what, patch, request) {
  const key = `${kind}-${id}`;
  if (pending.peek().has(key)) return false;
  setPending(key, patch);
  try {
    dispatch({ type: kind, data: await request() });
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.body.current?.id === id && !("addressee" in error.body.current)) dispatch({ type: kind, data: error.body.current });
    flash(key);
    toast(t("toast.rolled_back", { what, why: reason(error) }), true);
    return false;
  } finally {
    setPending(key, null);
    detailTick.value += 1;
  }
}

/** @param {number} id */
async function acknowledgeAlarm(id) {
  const row = alarms.peek().get(id);
  if (!row || row.operator_state !== "unacknowledged") return;
  const patch = { operator_state: "acknowledged", acknowledged_by: boot.person, acknowledged_at: new Date(now.peek()).toISOString(), open: true };
  await optimistic("alarm", id, `${t("act.acknowledge")} ${t("alarm.number", { id })}`, patch,
    () => post(`/api/v1/alarms/${id}/acknowledge`, {}, row.version));
}

/** The server acknowledges the alarms of a case by the same act. @param {number} id */
async function acknowledgeCase(id) {
  const row = cases.peek().get(id);
  if (!row || row.acknowledged_at) return;
  const patch = { acknowledged_by: boot.person, acknowledged_at: new Date(now.peek()).toISOString() };
  await optimistic("case", id, `${t("act.acknowledge")} ${t("case.number", { id })}`, patch, () => takeCase(id, row.version));
}

/** The platform may have sent somebody since the row was drawn: that takes nothing from who takes the case. @param {number} id @param {number} version */
async function takeCase(id, version) {
  try {
    return await post(`/api/v1/cases/${id}/acknowledge`, {}, version);
  } catch (error) {
    const current = error instanceof ApiError && error.status === 412 ? error.body.current : null;
    if (!current || current.acknowledged_at) throw error;
    return post(`/api/v1/cases/${id}/acknowledge`, {}, current.version);
  }
}

/** @param {Selection|null} target */
export async function acknowledge(target) {
  if (!mayAct || !target) return;
  if (target.kind === "case") await acknowledgeCase(target.id);
  else if (target.kind === "alarm") await acknowledgeAlarm(target.id);
}

const STATE_AFTER = { dispatch: "dispatched", arrive: "on_site", release: "released", cancel: "cancelled", close: "closed" };

/**
 * @param {number} id
 * @param {keyof typeof STATE_AFTER} name
 * @param {{confirmation?: string, trapped?: number|null, injured?: number|null, release_method?: string|null, reason?: string}} [facts]
 */
export async function moveCase(id, name, facts = {}) {
  const row = cases.peek().get(id) ?? await get(`/api/v1/cases/${id}`);
  // An ending is shown only when the server has agreed: a case must not vanish from the screen and come back.
  const patch = name === "cancel" || name === "close" ? {} : { state: STATE_AFTER[name] };
  return optimistic("case", id, `${t(`move.${name}`)} ${t("case.number", { id })}`, patch,
    () => post(`/api/v1/cases/${id}/moves`, { move: name, ...facts }, row.version));
}

/** @param {Selection} target @param {string} text */
export async function comment(target, text) {
  try {
    await post(`/api/v1/${target.kind}s/${target.id}/comments`, { text });
    detailTick.value += 1;
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(t("toast.rolled_back", { what: t("act.comment"), why: reason(error) }), true);
    return false;
  }
}

/** @param {number} step */
export function moveSelection(step) {
  const list = entries.peek();
  if (list.length === 0) return;
  const key = selected.peek() ? `${selected.peek()?.kind}-${selected.peek()?.id}` : "";
  const at = list.findIndex((item) => item.key === key);
  const next = at < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(list.length - 1, Math.max(0, at + step));
  choose({ kind: list[next].kind, id: list[next].id });
}

/** Select without changing what a narrow screen shows. @param {Selection} target */
export function choose(target) {
  if (target.kind === "incident") lastLift.value = null;
  else if (target.kind !== "lift") lastLift.value = (target.kind === "case" ? cases : alarms).peek().get(target.id)?.lift_id ?? null;
  select(target);
}

/** Select and show it. @param {Selection} target */
export function openDetail(target) {
  choose(target);
  view.value = "detail";
}

/** A lift from the map: what is wrong with it comes first. @param {number} id */
export function openLift(id) {
  const found = entries.peek().find((item) => "lift_id" in item.row && item.row.lift_id === id);
  openDetail(found ? { kind: found.kind, id: found.id } : { kind: "lift", id });
}

export function selectFirstEntrapment() {
  const first = caseEntries.peek()[0];
  if (first) openDetail({ kind: "case", id: first.id });
}
