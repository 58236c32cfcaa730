/** The picture of a shaft: floors as displayed, the car where it is, its doors, who is in it. Unknown is drawn as unknown. */
import { useRef } from "preact/hooks";
import { html } from "./html.js";
import { t, tOr } from "./i18n.js";

const HEIGHT = 380;
const WIDTH = 156;
const LEFT = 36;
const WELL = 72;
const CAR = 52;

/** How far each door leaf covers its half, by door status: 1 is closed. */
const COVER = { 1: 0.55, 2: 1, 3: 0.45, 4: 0.1, 5: 1, 6: 0.7 };

/** @param {{floors: string[], values: Record<string, any>, moving: boolean|null}} props */
export function Shaft({ floors, values, moving }) {
  const n = Math.max(floors.length, 2);
  const row = Math.min(30, HEIGHT / n);
  const carHeight = Math.max(24, Math.min(30, row * 1.1));
  const height = row * n + 12;
  const every = Math.ceil(13 / row);
  const last = useRef(0);
  const found = floors.indexOf(values.car_position);
  if (found >= 0) last.current = found;
  const between = values.door_zone === false && moving !== true;
  const shift = values.door_zone === false ? (values.car_direction === 2 ? -0.45 : 0.45) : 0;
  const index = Math.min(n - 1, Math.max(0, last.current + shift));
  const y = (/** @type {number} */ at) => 6 + (n - 1 - at) * row + row / 2;
  const door = values.door_closed == null && !values.door_status ? "unknown" : String(values.door_status || (values.door_closed ? 2 : 4));
  const person = values.passenger == null ? "passenger_unknown" : values.passenger ? "passenger" : "empty";
  const label = t("lift.shaft_label", { floor: values.car_position ?? "—", door: tOr(`door.${door}`, t("door.unknown")), person: t(`lift.${person}`) });
  return html`<svg class="shaft" viewBox=${`0 0 ${WIDTH} ${height}`} width=${WIDTH} height=${height} role="img" aria-label=${label}>
    <rect class="well" x=${LEFT} y="2" width=${WELL} height=${height - 4} />
    ${floors.map((name, at) => html`<g key=${at} class=${at === found ? "floor here" : "floor"}>
      <line x1=${LEFT - 5} x2=${LEFT + WELL} y1=${y(at) + row / 2} y2=${y(at) + row / 2} />
      ${(at % every === 0 || at === found) && html`<text x=${LEFT - 9} y=${y(at) + 4}>${name}</text>`}</g>`)}
    <line class="rope" x1=${LEFT + WELL / 2} x2=${LEFT + WELL / 2} y1="2" y2=${y(index) - carHeight / 2} />
    <g class="car" style=${{ transform: `translate(${LEFT + (WELL - CAR) / 2}px, ${y(index) - carHeight / 2}px)` }}>
      <${Car} height=${carHeight} door=${door} person=${person} between=${between && found >= 0} unknown=${found < 0} />
      ${values.car_direction === 1 && html`<path class=${moving === false ? "arrow still" : "arrow"} d=${`M${CAR + 20} ${carHeight / 2 + 7}v-9h-5l8-9 8 9h-5v9z`} />`}
      ${values.car_direction === 2 && html`<path class=${moving === false ? "arrow still" : "arrow"} d=${`M${CAR + 20} ${carHeight / 2 - 9}v9h-5l8 9 8-9h-5v-9z`} />`}
    </g>
  </svg>`;
}

/** @param {{height: number, door: string, person: string, between: boolean, unknown: boolean}} props */
function Car({ height, door, person, between, unknown }) {
  const half = CAR / 2 - 1;
  const cover = COVER[/** @type {keyof typeof COVER} */ (Number(door))] ?? 0.5;
  return html`<g class=${`${between ? "between" : ""}${unknown ? " unknown" : ""}`}>
    <rect class="cab" width=${CAR} height=${height} rx="1.5" />
    ${person === "passenger" && html`<g class="person"><circle cx=${CAR / 2} cy=${height / 2 - 5} r="4" /><path d=${`M${CAR / 2 - 6.5} ${height - 2}v-5a6.5 6.5 0 0 1 13 0v5z`} /></g>`}
    ${person === "passenger_unknown" && html`<text class="person-unknown" x=${CAR / 2} y=${height / 2 + 5}>?</text>`}
    <g class=${`doors${door === "unknown" ? " unknown" : ""}`}>
      <rect class="leaf" x="1" y="1" width=${half} height=${height - 2} style=${{ transform: `scaleX(${cover})` }} />
      <rect class="leaf right" x="1" y="1" width=${half} height=${height - 2} style=${{ transform: `translateX(${CAR - 2 + 0}px) scaleX(${-cover})` }} />
    </g>
  </g>`;
}
