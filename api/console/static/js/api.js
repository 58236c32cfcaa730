/** One door to the HTTP API: CSRF, versions, idempotency keys, and errors as one class. */
import { boot } from "./boot.js";

export class ApiError extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail || body?.title || String(status));
    this.status = status;
    this.body = body ?? {};
  }
}

/** A key that makes a repeated POST harmless; `randomUUID` exists only on secure origins. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} path @param {RequestInit} [init] */
async function send(path, init) {
  let answer;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new ApiError(0, null);
  }
  if (answer.status === 401) location.assign("/login");
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, body);
  return body;
}

/** @param {string} path */
export const get = (path) => send(path, { headers: { Accept: "application/json" } });

/**
 * @param {string} path
 * @param {object} [body]
 * @param {number} [version]  the version that the person saw; the server refuses when it has moved on
 * @param {string} [key]  the same for what is sent again
 */
export function post(path, body, version, key = newKey()) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": boot.csrf, "Idempotency-Key": key };
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  return send(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
}
