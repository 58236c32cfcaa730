/** Shapes of the API's rows as the console uses them. Types only: nothing runs here. */

/**
 * @typedef {{name: string, rescue_code: string|null, estate: string, building: string, address: string, district: string, kind: string}} LiftBrief
 *
 * @typedef {{
 *   id: number, lift_id: number, lift: LiftBrief, rule_id: string, rule_version: string, title: {zh: string, en: string},
 *   severity: "critical"|"major"|"minor"|"notice", opens: string, condition: string, operator_state: string,
 *   hold_start: string, raised_at: string, last_raised_at?: string, detected_at: string, cleared_at: string|null, repeats: number,
 *   acknowledged_at: string|null, acknowledged_by: string|null, case_id: number|null, ticket_id?: number|null, maintenance_order_id?: number|null, exercise: boolean, version: number, open?: boolean,
 *   shelved_until?: string|null, shelved_by?: string|null, shelve_reason?: string|null, chattering?: boolean, stale?: boolean,
 *   out_of_service?: boolean, witnesses?: string[], correction?: "late"|"amended"|"contradicted"|null,
 *   evidence?: Record<string, unknown>, history?: LogRow[]
 * }} Alarm
 *
 * @typedef {{
 *   id: number, kind: string, channel: string, lift_id: number|null, lift: LiftBrief, state: string, level: number, alarm_id: number|null,
 *   opened_at: string, acknowledged_at: string|null, acknowledged_by: string|null, dispatched_at: string|null, arrived_at: string|null,
 *   released_at: string|null, closed_at: string|null, trapped: number|null, confirmed_by: string|null, confirmation: string|null,
 *   reported_by_device: boolean, device_says_clear_at: string|null, contact_lost_at: string|null, past: boolean, exercise: boolean, version: number, open?: boolean,
 *   allowed_moves?: {name: string, target: string, confirmation: boolean}[], timers?: {kind: string, due_at: string, fired_at: string|null, order_id: number|null}[],
 *   accepted_at?: string|null, firm: {id: number, name: string}|null, waits_since: string|null, injured: number|null, dead: number|null, vulnerable: string[],
 *   orders: Order[], steps: {step: string, done_at: string|null, person: string|null, note: string|null}[], calls?: number, log?: LogRow[]
 * }} Case
 *
 * @typedef {{
 *   id: number, case_id: number, level: number, addressee: string, unit: {id: number, name: string, kind: string, phone: string}|null,
 *   firm: {id: number, name: string, phone: string|null}|null, state: string, live: boolean, sent_at: string, accepted_at: string|null,
 *   set_out_at: string|null, arrived_at: string|null, ended_at: string|null, late_at: string|null, sent_by: string|null,
 *   reasons: Record<string, unknown>, version: number, report: Report|null, allowed_moves: {name: string, target: string, reason: boolean}[]
 * }} Order
 *
 * @typedef {{metres: number|null, released_at: string|null, released_by: string|null, release_method: string|null, trapped: number|null,
 *   injured: number|null}} Report
 *
 * @typedef {{
 *   id: number, kind: "building"|"estate"|"feeder"|"district", name: string, cause: string, opened_at: string, last_joined_at: string,
 *   ended_at: string|null, open: boolean, active_lifts: number, lift_count: number, exercise: boolean, version: number,
 *   entrapments: {case_id: number, alarm_id: number|null, lift_id: number, lift: LiftBrief, state: string, level: number, open: boolean, coming: number, vulnerable: string[], injured: number, opened_at: string, acknowledged_at: string|null, waits_since: string|null}[],
 *   lifts: {lift_id: number, lift: LiftBrief, rules: string[], alarm_ids: number[], active: boolean, joined_at: string}[]
 * }} Incident
 *
 * @typedef {{id: number, positions: number, peak: number, began_at: string, ended_at: string|null, open: boolean, exercise: boolean, version: number}} Flood
 *
 * @typedef {{kind: string, at: string, person: string|null, role: string|null, reason?: string|null,
 *   before?: Record<string, unknown>, after?: Record<string, unknown>, detail?: Record<string, unknown>}} LogRow
 *
 * @typedef {{unhandled_entrapments: number, open_alarms: number, shelved_alarms: number, out_of_service_alarms: number, open_cases: number, lifts: number, lifts_offline: number,
 *   data_age_s: number|null, exercise: boolean|number}} Counters
 *
 * @typedef {{state: "off"|"starting"|"well"|"alarm"|"silent", since: string|null, missed: number,
 *   findings: {stage: string, age_s: number|null, zh: string, en: string}[]}} Platform
 *
 * @typedef {{alarms: Map<number, Alarm>, cases: Map<number, Case>, incidents: Map<number, Incident>, floods: Map<number, Flood>, counters: Counters, platform: Platform, serverTime: number|null, ready: boolean}} State
 *
 * @typedef {{key: string, kind: "case"|"alarm"|"incident", id: number, row: Case|Alarm|Incident}} Entry
 *
 * @typedef {{kind: "case"|"alarm"|"lift"|"incident", id: number}} Selection
 *
 * @typedef {{lift_id: number, at: string|null, received: string|null, age_s: number|null, values: Record<string, number|string|boolean|null>,
 *   moving: boolean|null, online: boolean|null, open_alarms: Alarm[], open_cases: Case[]}} LiftState
 */

export {};
