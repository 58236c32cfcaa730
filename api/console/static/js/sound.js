/**
 * Alarm sounds from oscillators: one pattern per priority, repeated until acknowledged. Never the only sign of anything.
 * Browsers allow sound only after a gesture; until then the state is `blocked` and the page says so.
 */
import { computed, effect, signal } from "@preact/signals";
import { sounding } from "./store.js";

/** Tones as [Hz, start s, length s]; `again_s` until the pattern repeats. */
export const PATTERNS = {
  critical: { tones: [[880, 0, 0.18], [660, 0.22, 0.18], [880, 0.44, 0.18], [660, 0.66, 0.26]], volume: 0.5, again_s: 2.5 },
  major: { tones: [[700, 0, 0.16], [700, 0.3, 0.16]], volume: 0.32, again_s: 8 },
  minor: { tones: [[520, 0, 0.22]], volume: 0.2, again_s: 25 },
};

/** What the person wants; kept for the next visit. */
export const wanted = signal(read());
const running = signal(false);
/** Patterns started since the page was loaded. */
export const played = signal(0);
/** Priority under self-test, or null. */
export const testing = signal(/** @type {string|null} */ (null));
export const soundState = computed(() => (!wanted.value ? "off" : running.value ? "on" : "blocked"));

/** @type {AudioContext|null} */
let context = null;

function read() {
  try { return localStorage.getItem("hoistway.sound") !== "off"; } catch { return true; }
}

function audio() {
  if (!context) {
    context = new AudioContext();
    context.addEventListener("statechange", () => { running.value = context?.state === "running"; });
    running.value = context.state === "running";
  }
  return context;
}

/** Must be called from a gesture. */
export async function unlock() {
  await audio().resume().catch(() => undefined);
  running.value = audio().state === "running";
}

/** @param {boolean} on */
export function setWanted(on) {
  wanted.value = on;
  try { localStorage.setItem("hoistway.sound", on ? "on" : "off"); } catch { /* not kept: the next visit starts with sound on */ }
  if (on) void unlock();
}

/** @param {keyof typeof PATTERNS} severity */
function play(severity) {
  const ctx = audio();
  const pattern = PATTERNS[severity];
  for (const [hertz, start, length] of pattern.tones) {
    const tone = new OscillatorNode(ctx, { type: "triangle", frequency: hertz });
    const gain = new GainNode(ctx, { gain: 0 });
    const from = ctx.currentTime + 0.02 + start;
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(pattern.volume, from + 0.015);
    gain.gain.setValueAtTime(pattern.volume, from + length - 0.03);
    gain.gain.linearRampToValueAtTime(0, from + length);
    tone.connect(gain).connect(ctx.destination);
    tone.start(from);
    tone.stop(from + length + 0.02);
  }
  played.value = played.peek() + 1;
}

/** Every pattern once, named on screen while it sounds. */
export async function selfTest() {
  await unlock();
  for (const severity of /** @type {(keyof typeof PATTERNS)[]} */ (Object.keys(PATTERNS))) {
    testing.value = severity;
    play(severity);
    await new Promise((resolve) => { setTimeout(resolve, 1_300); });
  }
  testing.value = null;
}

export function startSound() {
  audio();
  const gesture = () => { if (wanted.peek() && !running.peek()) void unlock(); };
  for (const name of ["pointerdown", "keydown"]) addEventListener(name, gesture, { capture: true });
  /** @type {number|undefined} */
  let timer;
  effect(() => {
    clearInterval(timer);
    const severity = /** @type {keyof typeof PATTERNS|null} */ (sounding.value);
    if (severity === null || soundState.value !== "on") return;
    play(severity);
    timer = setInterval(() => play(severity), PATTERNS[severity].again_s * 1_000);
  });
}
