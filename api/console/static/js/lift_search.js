/** Finds a lift while typing: the newest words win, answers that come late are dropped. */
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "./api.js";
import { html } from "./html.js";
import { t, tOr } from "./i18n.js";
import { place } from "./words.js";

/** @typedef {{became: string, case_id: number|null, complaint_id: number|null}} Becoming */
/** @typedef {import("./types.js").LiftBrief & {id: number, register_code: string|null, firm: {name: string, phone: string|null}|null, user_unit: string, user_unit_phone: string,
 *   terminal: boolean, exercise: boolean, running_cases: {id: number, kind: string, state: string}[], becomes: Record<string, Becoming>}} FoundLift */
/** @typedef {{id: number, kind: string, address: string, district: string, opened_at: string}} CaseByAddress */
/** @typedef {{items: FoundLift[], cases: CaseByAddress[], more: boolean}} Found */

const PAUSE_MS = 120;
const SHORTEST = 2;

/** @type {Found} */
const NOTHING = { items: [], cases: [], more: false };

/** What the register holds of `words`; null while the answer is on its way. @param {string} words @returns {Found|null} */
function useFound(words) {
  const [found, setFound] = useState(/** @type {{words: string, answer: Found}} */ ({ words: "", answer: NOTHING }));
  const wanted = words.trim();
  useEffect(() => {
    if (wanted.length < SHORTEST) return undefined;
    let current = true;
    const take = (/** @type {Found} */ answer) => { if (current) setFound({ words: wanted, answer }); };
    const timer = setTimeout(() => { get(`/api/v1/intake/lifts?q=${encodeURIComponent(wanted)}`).then(take, () => take(NOTHING)); }, PAUSE_MS);
    return () => { current = false; clearTimeout(timer); };
  }, [wanted]);
  if (wanted.length < SHORTEST) return NOTHING;
  return found.words === wanted ? found.answer : null;
}

/** @param {{lift: FoundLift}} props */
export const LiftLine = ({ lift }) => html`<b>${place(lift)}</b> <span class="num">${lift.rescue_code ?? ""}</span>
  <span class="dim">${lift.district} ${lift.address}${lift.firm ? ` · ${lift.firm.name}` : ""}</span>
  ${!lift.terminal && html`<span class="chip">${t("intake.no_terminal")}</span>`}${lift.exercise && html`<span class="chip hatched">${t("list.exercise")}</span>`}
  ${lift.running_cases.map((one) => html`<span key=${one.id} class="chip strong abnormal">${tOr(`case.${one.kind}`, one.kind)} ${t("case.number", { id: one.id })}</span>`)}`;

/**
 * @param {{onLift: (lift: FoundLift) => void, onCase?: (one: CaseByAddress) => void, onWords?: (words: string) => void}} props
 *   onWords: what was typed, for those who take it as an address
 */
export function LiftSearch({ onLift, onCase, onWords }) {
  const [words, setWords] = useState("");
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const found = useFound(words);
  const move = (/** @type {KeyboardEvent} */ event) => {
    const places = [...(box.current?.querySelectorAll("input[type=search], .found button") ?? [])];
    const at = places.indexOf(/** @type {Element} */ (event.target));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0;
    if (event.key === "Enter" && at === 0) {
      event.preventDefault();
      if (found?.items[0]) onLift(found.items[0]);
    } else if (step !== 0) {
      event.preventDefault();
      /** @type {HTMLElement|undefined} */ (places[at + step])?.focus();
    }
  };
  return html`<div class="search" ref=${box} onKeyDown=${move}>
    <label>${t("intake.search")}<input type="search" id="lift-search" autocomplete="off" maxlength="100" placeholder=${t("intake.search_hint")} value=${words}
      onInput=${(/** @type {any} */ event) => { setWords(event.target.value); onWords?.(event.target.value); }} autofocus /></label>
    <ul class="found" aria-live="polite" aria-busy=${found === null}>
      ${found?.items.map((lift) => html`<li key=${lift.id}><button type="button" data-lift=${lift.id} onClick=${() => onLift(lift)}><${LiftLine} lift=${lift} /></button></li>`)}
      ${onCase && found?.cases.map((one) => html`<li key=${`c${one.id}`}><button type="button" data-case=${one.id} onClick=${() => onCase(one)}>
        <b>${one.district} ${one.address}</b> <span class="chip strong abnormal">${tOr(`case.${one.kind}`, one.kind)} ${t("case.number", { id: one.id })}</span></button></li>`)}
      ${found?.more && html`<li class="none">${t("intake.more")}</li>`}
      ${found && words.trim().length >= SHORTEST && found.items.length === 0 && found.cases.length === 0 && html`<li class="none">${t("intake.none")}</li>`}
    </ul></div>`;
}
