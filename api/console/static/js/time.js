/** Clocks: the server's time is the truth; the page ticks once a second. */
import { signal } from "@preact/signals";
import { boot } from "./boot.js";
import { t } from "./i18n.js";

let offset = 0;
let best = Infinity;

/** Server time in ms, ticking each second. Components that read it draw again each second. */
export const now = signal(Date.now());

const serverNow = () => Date.now() + offset;

/**
 * Learn the difference between this machine's clock and the server's from a frame.
 * The frame with the smallest delay is nearest to the truth; a jump of more than 2 s is a corrected clock.
 * @param {number|null} serverTime
 */
export function learnTime(serverTime) {
  if (serverTime === null) return;
  const difference = Date.now() - serverTime;
  if (difference < best || Math.abs(difference - best) > 2000) {
    best = difference;
    offset = -difference;
    now.value = serverNow();
  }
}

export function startClock() {
  setInterval(() => { now.value = serverNow(); }, 1000);
}

/** "4:07", "1:04:07", "3 d 04:07". @param {number} ms */
export function duration(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const days = Math.floor(total / 86400);
  const hours = Math.floor((total % 86400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  if (days > 0) return `${t("unit.d", { n: days })} ${two(hours)}:${two(minutes)}`;
  if (hours > 0) return `${hours}:${two(minutes)}:${two(total % 60)}`;
  return `${minutes}:${two(total % 60)}`;
}

/** A rough age in one word: "7 s", "12 min". @param {number} seconds */
export function age(seconds) {
  const s = Math.max(0, seconds);
  if (s < 100) return t("unit.s", { n: Math.round(s) });
  if (s < 6000) return t("unit.min", { n: Math.round(s / 60) });
  if (s < 172800) return t("unit.h", { n: Math.round(s / 3600) });
  return t("unit.d", { n: Math.round(s / 86400) });
}

/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => new Intl.DateTimeFormat("zh-CN", { hourCycle: "h23", timeZone: boot.timeZone, ...options });
const clockFormat = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = format({ month: "2-digit", day: "2-digit" });

/** @param {number} ms */
export const clock = (ms) => clockFormat.format(ms);

/** @param {number} ms */
export const day = (ms) => dayFormat.format(ms).replace("/", "-");

/** Time of day, with the day when it is not today. @param {string|null|undefined} iso */
export function moment(iso) {
  if (!iso) return "";
  const ms = Date.parse(iso);
  return day(ms) === day(now.peek()) ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}
