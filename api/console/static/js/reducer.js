/**
 * The state of the console as a pure fold over the frames of the live stream: same frames, same state.
 * No clock, no network, no page. A row only ever moves to a newer version, so answers and frames may cross.
 */

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Alarm} Alarm */
/** @typedef {import("./types.js").Case} Case */

/** @type {import("./types.js").Counters} */
const NO_COUNTERS = {
  unhandled_entrapments: 0, open_alarms: 0, shelved_alarms: 0, out_of_service_alarms: 0, open_cases: 0, lifts: 0, lifts_offline: 0, data_age_s: null, exercise: false,
};

/** @type {import("./types.js").Platform} */
const NO_WORD = { state: "off", since: null, missed: 0, findings: [] };

/** @returns {State} */
export function initialState() {
  return { alarms: new Map(), cases: new Map(), incidents: new Map(), floods: new Map(), counters: NO_COUNTERS, platform: NO_WORD, serverTime: null, ready: false };
}

/** @param {Case} row */
export const caseIsOpen = (row) => row.open ?? !(row.state === "closed" || row.state === "cancelled");

/** @param {Alarm} row */
export const alarmIsOpen = (row) => row.open ?? (row.condition === "active" || row.operator_state !== "acknowledged");

/** @param {{open: boolean}} row */
const isOpen = (row) => row.open;

/**
 * @template {{id: number, version: number}} Row
 * @param {Map<number, Row>} known
 * @param {Row[]} rows
 * @param {(row: Row) => boolean} isOpen
 * @returns {Map<number, Row>}
 */
function merge(known, rows, isOpen) {
  if (!rows || rows.length === 0) return known;
  const next = new Map(known);
  for (const row of rows) {
    const before = next.get(row.id);
    if (before && before.version > row.version) continue;
    if (isOpen(row)) next.set(row.id, row);
    else next.delete(row.id);
  }
  return next;
}

/**
 * @param {State} state
 * @param {{type: string, data: any}} frame  `snapshot`, `change`, `heartbeat`, or `case` / `alarm` for one row of an answer
 * @returns {State}
 */
export function reduce(state, frame) {
  const { type, data } = frame;
  if (type === "case") return { ...state, cases: merge(state.cases, [data], caseIsOpen) };
  if (type === "alarm") return { ...state, alarms: merge(state.alarms, [data], alarmIsOpen) };
  const next = {
    ...state,
    counters: data.counters ? { ...state.counters, ...data.counters } : state.counters,
    platform: data.platform ?? state.platform,
    serverTime: data.server_time ? Date.parse(data.server_time) : state.serverTime,
  };
  if (data.data_age_s !== undefined) next.counters = { ...next.counters, data_age_s: data.data_age_s };
  if (type === "snapshot") {
    next.alarms = merge(new Map(), data.alarms, alarmIsOpen);
    next.cases = merge(new Map(), data.cases, caseIsOpen);
    next.incidents = merge(new Map(), data.incidents, isOpen);
    next.floods = merge(new Map(), data.floods, isOpen);
    next.ready = true;
  } else if (type === "change") {
    next.alarms = merge(state.alarms, data.alarms, alarmIsOpen);
    next.cases = merge(state.cases, data.cases, caseIsOpen);
    next.incidents = merge(state.incidents, data.incidents, isOpen);
    next.floods = merge(state.floods, data.floods, isOpen);
  }
  return next;
}
