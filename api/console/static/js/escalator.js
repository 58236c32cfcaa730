/** The picture of an escalator: whether and which way the steps move, and a missing step. */
import { html } from "./html.js";
import { t } from "./i18n.js";

const STEPS = 9;

/** @param {{values: Record<string, any>}} props */
export function Escalator({ values }) {
  const running = values.operation_status === 1;
  const up = values.operation_direction === 1 || values.operation_direction === 2;
  const way = !running ? "" : up ? " up" : " down";
  return html`<svg class=${`escalator${way}`} viewBox="0 0 172 170" width="172" height="170" role="img"
    aria-label=${t(`esc_direction.${values.operation_direction ?? "unknown"}`)}>
    <path class="truss" d="M6 150h34L132 40h34" />
    <path class="rail" d="M10 128h24L126 18h36" />
    <g class="steps-moving">${Array.from({ length: STEPS }, (_, i) => html`<path key=${i} class=${values.step_missing && i === 4 ? "step missing" : "step"}
      d=${`M${38 + i * 10.4} ${146 - i * 12.4}h10v-8`} />`)}</g>
    ${running && html`<path class="arrow" d=${up ? "M100 120l30-36m0 14v-15l-15 3" : "M130 84l-30 36m0-15v15l15-3"} />`}
  </svg>`;
}
