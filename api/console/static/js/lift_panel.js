/** One lift, live: the picture of the shaft, what the sensors say and how old that is, facts and telephone numbers. */
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { Escalator } from "./escalator.js";
import { html } from "./html.js";
import { t, tOr } from "./i18n.js";
import { Shaft } from "./shaft.js";
import { age, now } from "./time.js";
import { place } from "./words.js";

/** @typedef {import("./types.js").LiftState} LiftState */

/** A value older than three heartbeats is history, not state. */
const STATE_OLD_S = 90;
const RETRY_MS = 3_000;

/** Follow one lift while the page can be seen; a hidden page holds no connection. @param {number} id */
function useLiftState(id) {
  const [state, setState] = useState(/** @type {{data: LiftState, heard: number}|null} */ (null));
  useEffect(() => {
    /** @type {EventSource|null} */
    let source = null;
    /** @type {number|undefined} */
    let retry;
    const take = (/** @type {LiftState} */ data) => setState({ data, heard: performance.now() });
    const close = () => { source?.close(); source = null; clearTimeout(retry); };
    const open = () => {
      close();
      if (document.hidden) return;
      source = new EventSource(`/api/v1/lifts/${id}/follow`);
      source.addEventListener("state", (event) => take(JSON.parse(event.data)));
      source.addEventListener("error", () => { if (source?.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS); });
    };
    get(`/api/v1/lifts/${id}/state`).then(take, () => undefined);
    open();
    document.addEventListener("visibilitychange", open);
    return () => { document.removeEventListener("visibilitychange", open); close(); };
  }, [id]);
  return state;
}

/** @param {number} id */
function useLift(id) {
  const [lift, setLift] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let current = true;
    get(`/api/v1/lifts/${id}`).then((row) => { if (current) setLift(row); }, () => undefined);
    return () => { current = false; };
  }, [id]);
  return lift;
}

/** @param {string} prefix @param {unknown} value */
const word = (prefix, value) => (value === null || value === undefined ? t(`${prefix}.unknown`) : tOr(`${prefix}.${value}`, t(`${prefix}.unknown`)));

/** @param {unknown} value @param {string} yes @param {string} no @param {string} unknown */
const three = (value, yes, no, unknown) => t(value === null || value === undefined ? unknown : value ? yes : no);

/** @param {unknown} value @param {string} unit @param {number} [digits] */
const measure = (value, unit, digits = 0) => (typeof value === "number" ? `${value.toFixed(digits)} ${unit}` : "—");

/** @param {{name: string, value: any, abnormal?: boolean}} props */
const Reading = ({ name, value, abnormal }) => html`<div class=${`reading${abnormal ? " abnormal" : ""}`}><dt>${name}</dt><dd class="num">${value}</dd></div>`;

/** @param {{state: LiftState}} props */
function LiftReadings({ state }) {
  const v = state.values;
  const between = v.door_zone === false && state.moving === false;
  return html`<dl class="readings">
    <${Reading} name=${t("lift.floor")} value=${v.car_position ?? "—"} abnormal=${v.car_position == null} />
    <${Reading} name=${t("lift.direction")} value=${word("direction", v.car_direction)} />
    <${Reading} name=${t("lift.running")} value=${three(state.moving, "lift.moving", "lift.stopped", "lift.motion_unknown")} />
    <${Reading} name=${t("lift.position")} value=${three(v.door_zone, "lift.at_landing", "lift.between", "lift.zone_unknown")} abnormal=${between} />
    <${Reading} name=${t("lift.door")} value=${word("door", v.door_status)} abnormal=${state.moving === true && v.door_closed === false} />
    <${Reading} name=${t("lift.person")} value=${three(v.passenger, "lift.passenger", "lift.empty", "lift.passenger_unknown")} abnormal=${between && v.passenger !== false} />
    <${Reading} name=${t("lift.mode")} value=${word("mode", v.service_mode)} abnormal=${v.service_mode != null && v.service_mode !== 1} />
    <${Reading} name=${t("lift.power")} value=${word("power", v.power)} abnormal=${v.power === 2 || v.power === 3} />
    <${Reading} name=${t("lift.speed")} value=${measure(v.speed, "m/s", 2)} />
    <${Reading} name=${t("lift.load")} value=${measure(v.load, "kg")} />
  </dl>`;
}

/** @param {{state: LiftState}} props */
function EscalatorReadings({ state }) {
  const v = state.values;
  return html`<dl class="readings">
    <${Reading} name=${t("lift.running")} value=${three(v.operation_status, "lift.moving", "lift.stopped", "lift.motion_unknown")} />
    <${Reading} name=${t("lift.direction")} value=${word("esc_direction", v.operation_direction)} />
    <${Reading} name=${t("lift.person")} value=${three(v.occupied, "lift.passenger", "lift.empty", "lift.passenger_unknown")} />
    <${Reading} name=${t("lift.step")} value=${three(v.step_missing, "lift.step_missing", "lift.step_ok", "detail.unknown")} abnormal=${v.step_missing === true} />
    <${Reading} name=${t("lift.mode")} value=${word("mode", v.service_mode)} abnormal=${v.service_mode != null && v.service_mode !== 1} />
    <${Reading} name=${t("lift.power")} value=${word("power", v.power)} abnormal=${v.power === 2 || v.power === 3} />
    <${Reading} name=${t("lift.speed")} value=${measure(v.speed, "m/s", 2)} />
    <${Reading} name=${t("lift.handrails")} value=${`${measure(v.handrail_left, "", 2)} / ${measure(v.handrail_right, "m/s", 2)}`} />
  </dl>`;
}

/** @param {{seconds: number|null, online: boolean|null}} props */
function Freshness({ seconds, online }) {
  const old = seconds !== null && seconds > STATE_OLD_S;
  return html`<p class=${`freshness${old || online === false ? " abnormal" : ""}`}>
    <span class="chip">${t(online === false ? "lift.offline" : "lift.online")}</span>
    <span class="num">${seconds === null ? t("lift.no_state") : old ? t("lift.stale", { age: age(seconds) }) : t("lift.age", { age: age(seconds) })}</span></p>`;
}

/** @param {{name: string, phone: string|null|undefined, who?: string}} props */
function Contact({ name, phone, who }) {
  if (!phone && !who) return null;
  return html`<dt>${name}</dt><dd>${who && html`<span>${who}</span> `}${phone && html`<a class="tel num" href=${`tel:${phone.replace(/[^+\d]/g, "")}`}>${phone}</a>`}</dd>`;
}

/** @param {{lift: any}} props */
function Facts({ lift }) {
  const rated = [lift.rated_speed_m_s && `${lift.rated_speed_m_s} m/s`, lift.rated_load_kg && `${lift.rated_load_kg} kg`].filter(Boolean).join(" · ");
  return html`<section class="block"><h3>${t("lift.contacts")}</h3><dl class="facts">
      <${Contact} name=${t("lift.firm")} who=${lift.firm?.name} phone=${lift.firm?.phone} />
      <${Contact} name=${t("lift.user_unit")} who=${lift.user_unit} phone=${lift.user_unit_phone} />
      <${Contact} name=${t("lift.emergency")} phone=${lift.emergency_phone} /></dl></section>
    <section class="block"><h3>${t("lift.facts")}</h3><dl class="facts">
      <dt>${t("lift.rescue_code")}</dt><dd class="num">${lift.rescue_code ?? "—"}</dd>
      <dt>${t("lift.register_code")}</dt><dd class="num code">${lift.register_code ?? "—"}</dd>
      <dt>${t("lift.address")}</dt><dd>${lift.district} ${lift.address}</dd>
      ${rated && html`<dt>${t("lift.rated")}</dt><dd class="num">${rated}</dd>`}
      <dt>${t("lift.devices")}</dt><dd>${(lift.devices ?? []).map((/** @type {any} */ device) => html`<span class="code" key=${device.device}>${device.device}</span> `)}</dd>
    </dl></section>`;
}

/** @param {{id: number}} props */
export function LiftPanel({ id }) {
  const lift = useLift(id);
  const live = useLiftState(id);
  const state = live?.data ?? null;
  void now.value;
  const seconds = state?.age_s == null ? null : state.age_s + (performance.now() - /** @type {{heard: number}} */ (live).heard) / 1000;
  const old = seconds === null || seconds > STATE_OLD_S;
  const escalator = lift?.kind === "escalator";
  return html`<section class="panel lift" aria-label=${t("lift.title")} data-testid="lift">
    <header class="lift-head"><h3>${lift ? place(lift) : "…"}</h3>${state && html`<${Freshness} seconds=${seconds} online=${state.online} />`}</header>
    <div class=${`lift-live${old ? " old" : ""}`}>
      ${lift && (escalator ? html`<${Escalator} values=${state?.values ?? {}} />`
        : html`<${Shaft} floors=${lift.floors ?? []} values=${state?.values ?? {}} moving=${state?.moving ?? null} />`)}
      ${state ? (escalator ? html`<${EscalatorReadings} state=${state} />` : html`<${LiftReadings} state=${state} />`) : html`<p class="none">${t("lift.no_state")}</p>`}
    </div>
    ${lift && html`<${Facts} lift=${lift} />`}
  </section>`;
}
