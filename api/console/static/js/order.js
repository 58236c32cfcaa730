/** What stands where in the list: pure, from rows to ordered entries. Danger first, then what waits longest. */

/** @typedef {import("./types.js").Alarm} Alarm */
/** @typedef {import("./types.js").Case} Case */
/** @typedef {import("./types.js").Incident} Incident */
/** @typedef {import("./types.js").Entry} Entry */

export const SEVERITIES = ["critical", "major", "minor", "notice"];

const TRAPPED_STATES = new Set(["open", "dispatched", "on_site"]);

/** It runs; unless it is a fault, somebody may still be in the car. @param {Case} row */
export const mayBeTrapped = (row) => TRAPPED_STATES.has(row.state);

/** A fault that a call has told of is no entrapment. @param {Case} row */
export const caseSeverity = (row) => (row.kind === "fault" ? "major" : "critical");

/** @param {Case} row */
export const isUnhandled = (row) => mayBeTrapped(row) && !row.acknowledged_at;

/** A person silenced it: shelved for a time, or its rule is out of service. @param {Alarm} row */
export const isSilenced = (row) => row.operator_state === "shelved" || row.out_of_service === true;

/** It stands for a person: never to be silenced. @param {Alarm} row */
export const isForPerson = (row) => row.opens === "rescue" || row.opens === "alarm-call" || row.case_id != null;

/** @param {Case} row */
function caseRank(row) {
  if (isUnhandled(row)) return row.kind === "entrapment" ? 0 : 1;
  return mayBeTrapped(row) ? 2 : 3;
}

/** @param {Alarm} row */
const alarmRank = (row) => SEVERITIES.indexOf(row.severity) * 2 + (row.operator_state === "unacknowledged" ? 0 : 1);

/** @type {WeakMap<Case|Alarm|Incident, Entry>} */
const made = new WeakMap();

/** The entry of a row: the same object as long as the row is the same, so that only changed rows are drawn again. @param {"case"|"alarm"|"incident"} kind @param {Case|Alarm|Incident} row */
function entryOf(kind, row) {
  const known = made.get(row);
  if (known) return known;
  /** @type {Entry} */
  const entry = { key: `${kind}-${row.id}`, kind, id: row.id, row };
  made.set(row, entry);
  return entry;
}

/** @param {Iterable<Case>} cases @returns {Entry[]} */
export function orderCases(cases) {
  return [...cases]
    .sort((a, b) => caseRank(a) - caseRank(b) || Date.parse(a.opened_at) - Date.parse(b.opened_at) || a.id - b.id)
    .map((row) => entryOf("case", row));
}

/** What open incidents hold: alarms by id, and lifts. @param {Iterable<Incident>} incidents */
export function heldBy(incidents) {
  const held = { alarms: new Set(), lifts: new Set() };
  for (const incident of incidents) {
    for (const lift of incident.lifts) {
      held.lifts.add(lift.lift_id);
      for (const id of lift.alarm_ids) held.alarms.add(id);
    }
  }
  return held;
}

/**
 * Incidents, the oldest first, each followed by the entrapments of its lifts: those stay cases of their own.
 * @param {Iterable<Incident>} incidents
 * @param {Iterable<Case>} cases
 * @returns {Entry[]}
 */
export function orderIncidents(incidents, cases) {
  const inside = orderCases(cases).filter((entry) => /** @type {Case} */ (entry.row).kind === "entrapment");
  /** @type {Set<string>} */
  const listed = new Set();
  return [...incidents]
    .sort((a, b) => Date.parse(a.opened_at) - Date.parse(b.opened_at) || a.id - b.id)
    .flatMap((row) => {
      const lifts = new Set(row.lifts.map((lift) => lift.lift_id));
      const own = inside.filter((entry) => lifts.has(/** @type {Case} */ (entry.row).lift_id ?? 0) && !listed.has(entry.key));
      for (const entry of own) listed.add(entry.key);
      return [entryOf("incident", row), ...own];
    });
}

/**
 * Alarms that belong to an open case or incident stand there, not a second time in the list.
 * @param {Iterable<Alarm>} alarms
 * @param {Map<number, Case>} cases
 * @param {Set<number>} [held]  alarms of open incidents
 * @returns {Entry[]}
 */
export function orderAlarms(alarms, cases, held = new Set()) {
  return [...alarms]
    .filter((row) => (row.case_id == null || !cases.has(row.case_id)) && !held.has(row.id))
    .sort((a, b) => alarmRank(a) - alarmRank(b) || Date.parse(a.raised_at) - Date.parse(b.raised_at) || a.id - b.id)
    .map((row) => entryOf("alarm", row));
}

/**
 * The worst thing open on each lift, for map and sound.
 * @param {Iterable<Alarm>} alarms
 * @param {Iterable<Case>} cases
 * @returns {Map<number, {severity: string, trapped: boolean, unacknowledged: boolean}>}
 */
export function worstByLift(alarms, cases) {
  /** @type {Map<number, {severity: string, trapped: boolean, unacknowledged: boolean}>} */
  const worst = new Map();
  /** @param {number} lift @param {string} severity @param {boolean} trapped @param {boolean} unacknowledged */
  const note = (lift, severity, trapped, unacknowledged) => {
    const before = worst.get(lift);
    const worse = !before || SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(before.severity);
    worst.set(lift, {
      severity: worse ? severity : before.severity,
      trapped: trapped || (before?.trapped ?? false),
      unacknowledged: unacknowledged || (before?.unacknowledged ?? false),
    });
  };
  for (const row of alarms) {
    if (row.condition === "active") note(row.lift_id, row.severity, false, row.operator_state === "unacknowledged" && !isSilenced(row));
  }
  for (const row of cases) {
    if (mayBeTrapped(row) && row.lift_id !== null) note(row.lift_id, caseSeverity(row), row.kind !== "fault", isUnhandled(row));
  }
  return worst;
}

/**
 * The highest priority that nobody has acknowledged; notices stay silent.
 * @param {Iterable<Alarm>} alarms
 * @param {Map<number, Case>} cases
 * @returns {string|null}
 */
export function soundingSeverity(alarms, cases) {
  let best = SEVERITIES.length;
  for (const row of cases.values()) if (isUnhandled(row)) best = Math.min(best, SEVERITIES.indexOf(caseSeverity(row)));
  for (const row of alarms) {
    const covered = row.case_id != null && cases.has(row.case_id);
    if (!covered && !isSilenced(row) && row.operator_state === "unacknowledged" && row.condition === "active") best = Math.min(best, SEVERITIES.indexOf(row.severity));
  }
  return best < 3 ? SEVERITIES[best] : null;
}
