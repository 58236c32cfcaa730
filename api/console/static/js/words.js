/** Rows in words: where a lift is, how long a step has taken against its limit. */

/** Estate, building, name, without saying a part twice. @param {Partial<import("./types.js").LiftBrief>|null|undefined} lift */
export function place(lift) {
  if (!lift) return "";
  /** @type {string[]} */
  const parts = [];
  for (const part of [lift.estate, lift.building, lift.name]) {
    if (part && !parts.some((known) => known.includes(part))) parts.push(part);
  }
  const last = parts[parts.length - 1];
  return parts.filter((part) => part === last || !last.includes(part)).join(" ");
}

const ACCEPT_MS = 3 * 60_000;
const ARRIVE_MS = 30 * 60_000;

const VOICE_MS = 60_000;

/** @param {import("./types.js").Case} row @returns {"accept"|"arrive"|"voice"|null} */
function runningStep(row) {
  if (row.kind === "fault") return row.state === "dispatched" && askedOnly(row) ? "accept" : null;
  if (row.state === "dispatched") return askedOnly(row) ? "accept" : "arrive";
  if (row.state !== "open") return null;
  if (row.kind === "entrapment") return "accept";
  return row.acknowledged_at ? null : "voice";
}

/** Orders went out, and nobody has said that they come. @param {import("./types.js").Case} row */
function askedOnly(row) {
  const live = (row.orders ?? []).filter((order) => order.live);
  return live.length > 0 && live.every((order) => order.state === "sent");
}

/** The due time of the step's newest timer that runs, else of its newest. @param {import("./types.js").Case} row @param {string} name */
function dueOf(row, name) {
  const found = (row.timers ?? []).filter((timer) => timer.kind === name || (name === "arrive" && timer.kind === "arrive-again"));
  return (found.filter((timer) => !timer.fired_at).at(-1) ?? found.at(-1))?.due_at;
}

/**
 * The clock that runs on a case: until somebody accepts, then until somebody is there. All run from the opening.
 * A timer of the server with that name gives the limit; else the product's own.
 * @param {import("./types.js").Case} row
 * @param {number} now
 * @returns {{name: "accept"|"arrive"|"voice", elapsed: number, limit: number}|null}
 */
export function runningLimit(row, now) {
  const name = row.past ? null : runningStep(row);
  if (!name) return null;
  const opened = Date.parse(row.opened_at);
  const due = dueOf(row, name);
  const limit = due ? Date.parse(due) - opened : { accept: ACCEPT_MS, arrive: ARRIVE_MS, voice: VOICE_MS }[name];
  return { name, elapsed: now - opened, limit };
}
