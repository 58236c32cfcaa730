/** The one store: stream state, optimistic patches over it, selection, and everything derived from them. */
import { computed, signal } from "@preact/signals";
import { initialState, reduce } from "./reducer.js";
import { heldBy, isSilenced, orderAlarms, orderCases, orderIncidents, soundingSeverity, worstByLift } from "./order.js";
import { learnTime, now } from "./time.js";

/** @typedef {import("./types.js").Selection} Selection */

const state = signal(initialState());

/** Patches shown before the server has agreed, by entry key. @type {import("@preact/signals").Signal<Map<string, object>>} */
export const pending = signal(new Map());

/** When the last frame came (performance.now), and whether the browser holds the stream open. */
export const lastFrame = signal(performance.now());
export const connected = signal(false);

/** @param {{type: string, data: any}} frame */
export function dispatch(frame) {
  state.value = reduce(state.peek(), frame);
  if (frame.type === "case" || frame.type === "alarm") return;
  lastFrame.value = performance.now();
  learnTime(state.peek().serverTime);
}

/** @param {string} prefix @param {Map<number, any>} rows @param {Map<string, object>} patches */
function patched(prefix, rows, patches) {
  if (patches.size === 0) return rows;
  const next = new Map(rows);
  for (const [key, patch] of patches) {
    const id = Number(key.slice(prefix.length));
    const row = key.startsWith(prefix) ? next.get(id) : undefined;
    if (row) next.set(id, { ...row, ...patch });
  }
  return next;
}

export const ready = computed(() => state.value.ready);
export const counters = computed(() => state.value.counters);
/** What the watcher says of the platform. */
export const platform = computed(() => state.value.platform);
/** @type {import("@preact/signals").ReadonlySignal<Map<number, import("./types.js").Case>>} */
export const cases = computed(() => patched("case-", state.value.cases, pending.value));
/** @type {import("@preact/signals").ReadonlySignal<Map<number, import("./types.js").Alarm>>} */
export const alarms = computed(() => patched("alarm-", state.value.alarms, pending.value));
/** @type {import("@preact/signals").ReadonlySignal<Map<number, import("./types.js").Incident>>} */
export const incidents = computed(() => state.value.incidents);
export const floods = computed(() => state.value.floods);
export const caseEntries = computed(() => orderCases(cases.value.values()));
const held = computed(() => heldBy(incidents.value.values()));
export const incidentEntries = computed(() => orderIncidents(incidents.value.values(), cases.value.values()));
/** Cases that stand in no incident. */
export const looseCaseEntries = computed(() => {
  const inside = new Set(incidentEntries.value.map((entry) => entry.key));
  return caseEntries.value.filter((entry) => !inside.has(entry.key));
});
const everyAlarm = computed(() => orderAlarms(alarms.value.values(), cases.value, held.value.alarms));
const silenced = (/** @type {import("./types.js").Entry} */ entry) => isSilenced(/** @type {import("./types.js").Alarm} */ (entry.row));
export const alarmEntries = computed(() => everyAlarm.value.filter((entry) => !silenced(entry)));
/** Shelved and out of service: counted always, listed when somebody wants to see them. */
export const silencedEntries = computed(() => everyAlarm.value.filter(silenced));
export const showSilenced = signal(false);
export const entries = computed(() => [...incidentEntries.value, ...looseCaseEntries.value, ...alarmEntries.value,
  ...(showSilenced.value ? silencedEntries.value : [])]);
export const worst = computed(() => worstByLift(alarms.value.values(), cases.value.values()));
export const sounding = computed(() => soundingSeverity(alarms.value.values(), cases.value));
export const exercise = computed(() => Boolean(counters.value.exercise)
  || [...cases.value.values()].some((row) => row.exercise) || [...alarms.value.values()].some((row) => row.exercise));

/** @type {import("@preact/signals").Signal<Selection|null>} */
export const selected = signal(readHash());
/** Which part a narrow screen shows. @type {import("@preact/signals").Signal<"list"|"detail"|"map">} */
export const view = signal("list");

/** @returns {Selection|null} */
function readHash() {
  const match = /^#(case|alarm|lift|incident)-(\d+)$/.exec(location.hash);
  return match ? { kind: /** @type {Selection["kind"]} */ (match[1]), id: Number(match[2]) } : null;
}

/** Select, and write it into the address so that a reload finds it again. @param {Selection|null} target */
export function select(target) {
  selected.value = target;
  history.replaceState(null, "", target ? `#${target.kind}-${target.id}` : location.pathname);
}

addEventListener("hashchange", () => { selected.value = readHash(); });

/** The lift of what is selected. */
export const selectedLift = computed(() => {
  const target = selected.value;
  if (!target) return null;
  if (target.kind === "lift") return target.id;
  if (target.kind === "incident") return null;
  return (target.kind === "case" ? cases.value : alarms.value).get(target.id)?.lift_id ?? lastLift.value;
});
/** Kept so that a row that leaves the list does not empty the lift panel under the reader's eyes. */
export const lastLift = signal(/** @type {number|null} */ (null));

/** Age of the field's data as of now: what the server said plus the time since it said so. */
export const dataAge = computed(() => {
  const said = counters.value.data_age_s;
  void now.value;
  return said === null || said === undefined ? null : said + (performance.now() - lastFrame.value) / 1000;
});

const STREAM_SILENT_S = 5;
const DATA_OLD_S = 15;
const MAX_GAP_S = 90;

/** Why the screen must not be trusted, or null. */
export const staleness = computed(() => {
  void now.value;
  const silent = (performance.now() - lastFrame.value) / 1000;
  if (silent > STREAM_SILENT_S) return { why: "stream", seconds: silent };
  if (!ready.value) return { why: "connecting", seconds: silent };
  const old = dataAge.value;
  // A handful of lifts reports rarely: three heartbeats shared among the fleet, and 15 s as soon as there are six lifts.
  const limit = Math.max(DATA_OLD_S, MAX_GAP_S / Math.max(1, counters.value.lifts));
  return old !== null && old > limit ? { why: "data", seconds: old } : null;
});
