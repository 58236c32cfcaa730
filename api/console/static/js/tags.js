/** Small marks on a row: what an alarm is besides its priority. Each has a shape and a word; colour adds nothing. */
import { html } from "./html.js";
import { t } from "./i18n.js";
import { moment, now } from "./time.js";

const STALE_MS = 24 * 3_600_000;

/** Strokes on a 16 x 16 ground. */
const SHAPES = {
  shelved: "M1.5 12.5h13M8 2v7M4.8 6 8 9.2 11.2 6",
  out_of_service: "M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8M3.7 3.7l8.6 8.6",
  maintenance: "M13.5 4.5a3.6 3.6 0 0 1-5 4.4L4 13.4 2.6 12l4.5-4.5a3.6 3.6 0 0 1 4.4-5L9.4 4.6l2 2z",
  chattering: "M1 8h2.5l1.5-5 3 10 3-10 1.5 5H15",
  stale: "M4 1.5h8M4 14.5h8M5 1.5c0 4 6 9 6 13M11 1.5c0 4-6 9-6 13",
  past: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2M8 4.6V8H4.8M11.4 11.4l3 3",
  late: "M8 2a6 6 0 1 1-5.6 3.9M2 2v4h4M8 5v3.4l2.4 1.4",
  amended: "M2.5 13.5 3 10.6 10.8 2.8l2.4 2.4L5.4 13z",
  contradicted: "M2 5.5h12M2 10.5h12M11 1.5 5 14.5",
};

/** @param {{name: keyof typeof SHAPES, text: string}} props */
const Tag = ({ name, text }) => html`<span class="chip tag" data-tag=${name}><svg viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[name]} /></svg>${text}</span>`;

/** Its age grows on the page, so the page tells it. @param {{row: import("./types.js").Alarm}} props */
function Stale({ row }) {
  const stale = row.condition === "active" && now.value - Date.parse(row.last_raised_at ?? row.raised_at) > STALE_MS;
  return stale ? html`<${Tag} name="stale" text=${t("tag.stale")} />` : null;
}

/** @param {{row: any}} props  a case, an alarm or an incident */
export function Tags({ row }) {
  return html`${row.exercise && html`<span class="chip hatched">${t("list.exercise")}</span>`}
    ${row.operator_state === "shelved" && html`<${Tag} name="shelved" text=${t("tag.shelved", { until: moment(row.shelved_until) })} />`}
    ${row.out_of_service && html`<${Tag} name="out_of_service" text=${t("tag.out_of_service")} />`}
    ${row.maintenance_order_id && html`<${Tag} name="maintenance" text=${t("tag.maintenance")} />`}
    ${row.chattering && html`<${Tag} name="chattering" text=${t("tag.chattering")} />`}
    ${row.raised_at && html`<${Stale} row=${row} />`}
    ${row.past && html`<${Tag} name="past" text=${t("tag.past")} />`}
    ${row.correction && html`<${Tag} name=${row.correction} text=${t(`tag.${row.correction}`)} />`}`;
}
