/**
 * Keeps one live stream open. The browser resumes by Last-Event-ID by itself; when it gives up, when the stream falls
 * silent (a dead connection looks open), or when a frame is missing, a new one is opened and its snapshot replaces all.
 */
import { connected, dispatch } from "./store.js";

const SILENT_MS = 12_000;
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** @type {EventSource|null} */
let source = null;
let failures = 0;
let lastId = "";
let heard = 0;
/** @type {number|undefined} */
let retry;

/** @param {string} type @param {MessageEvent} event */
function receive(type, event) {
  heard = performance.now();
  failures = 0;
  connected.value = true;
  const data = JSON.parse(event.data);
  const hole = type !== "snapshot" && lastId && data.prev != null && data.prev !== lastId;
  lastId = event.lastEventId || lastId;
  if (hole) reopen(0);
  else dispatch({ type, data });
}

async function failed() {
  connected.value = false;
  if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again and resumes
  const wait = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)];
  failures += 1;
  reopen(wait);
  const answer = await fetch("/api/v1/me").catch(() => null);
  if (answer?.status === 401) location.assign("/login");
}

/** @param {number} wait */
function reopen(wait) {
  source?.close();
  source = null;
  clearTimeout(retry);
  retry = setTimeout(open, wait);
}

function open() {
  lastId = "";
  heard = performance.now();
  source = new EventSource("/api/v1/stream");
  for (const type of ["snapshot", "change", "heartbeat"]) source.addEventListener(type, (event) => receive(type, event));
  source.addEventListener("error", failed);
}

export function startStream() {
  open();
  setInterval(() => {
    if (source && source.readyState === EventSource.OPEN && performance.now() - heard > SILENT_MS) {
      connected.value = false;
      reopen(0);
    }
  }, 1_000);
  addEventListener("online", () => { if (!connected.peek()) reopen(0); });
}
