/** Priority marks: shape, number and colour together, so that no one of them carries the meaning alone. */
import { html } from "./html.js";
import { t } from "./i18n.js";

const SHAPES = {
  critical: "M6 1h8l5 5v8l-5 5H6l-5-5V6z",
  major: "M10 1.5 19.5 18.5H.5z",
  minor: "M10 1.2 18.8 10 10 18.8 1.2 10z",
  notice: "M10 1.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z",
};
const NUMBERS = { critical: "1", major: "2", minor: "3", notice: "4" };

/** Nobody is in danger any more: a grey tick. */
export const Settled = () => html`<svg class="mark settled" viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="8.5" /><path d="m6 10.5 3 3 5.5-6.5" /></svg>`;

/** @param {{severity: keyof typeof SHAPES, quiet?: boolean}} props  quiet: acknowledged, drawn as an outline */
export function Mark({ severity, quiet }) {
  return html`<svg class=${`mark ${severity}${quiet ? " quiet" : ""}`} viewBox="0 0 20 20" role="img" aria-label=${t(`severity.${severity}`)}>
    <path d=${SHAPES[severity]} /><text x="10" y=${severity === "major" ? 16 : 14}>${NUMBERS[severity]}</text></svg>`;
}
