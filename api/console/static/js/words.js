/** Rows in words: where a lift is, how long a step has taken against its limit. */
import { mayBeTrapped } from "./order.js";

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

/**
 * The clock that runs on a case: until somebody was sent, then until somebody is there. Both run from the opening.
 * A timer of the server with that name gives the limit; else the product's own.
 * @param {import("./types.js").Case} row
 * @param {number} now
 * @returns {{name: "accept"|"arrive", elapsed: number, limit: number}|null}
 */
export function runningLimit(row, now) {
  if (!mayBeTrapped(row) || row.state === "on_site") return null;
  const opened = Date.parse(row.opened_at);
  const name = row.state === "open" ? "accept" : "arrive";
  const start = name === "arrive" && row.dispatched_at ? Date.parse(row.dispatched_at) : opened;
  const due = row.timers?.find((timer) => timer.kind === name)?.due_at;
  const limit = due ? Date.parse(due) - start : name === "accept" ? ACCEPT_MS : ARRIVE_MS;
  return { name, elapsed: now - start, limit };
}
