/** The intake form: a call is taken, its lift is found while the caller speaks, and the form says beforehand what the call will become. */
import { useEffect, useRef, useState } from "preact/hooks";
import { dialog, openDetail, reason, toast } from "./actions.js";
import { ApiError, newKey, post } from "./api.js";
import { mayAct } from "./boot.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { LiftLine, LiftSearch } from "./lift_search.js";
import { close, Modal } from "./modal.js";

/** @typedef {import("./lift_search.js").FoundLift} FoundLift */
/** @typedef {import("./lift_search.js").CaseByAddress} CaseByAddress */

const KINDS = ["entrapment", "fault", "complaint", "question", "false-call"];
const CHANNELS = ["S01", "S02", "S03", "S05"];
const INSIDE = ["child", "elderly", "pregnant", "disabled", "ill", "panic"];
const IN_WORDS = new Set(["complaint", "question", "false-call"]);
const WITHOUT_PLACE = new Set(["question", "false-call"]);

export const openIntake = () => { if (mayAct) dialog.value = { name: "intake" }; };

const EMPTY = { channel: "S01", address: "", district: "", trapped: "", injured: "", text: "", name: "", phone: "" };

/** @typedef {typeof EMPTY} Said */
/** @typedef {{lift: FoundLift|null, one: CaseByAddress|null}} Chosen */

/** The body of the POST; what is empty is left out. @param {string} kind @param {Said} said @param {Chosen} chosen @param {Set<string>} inside */
function bodyOf(kind, said, chosen, inside) {
  const about = kind === "entrapment" || kind === "fault";
  const placed = chosen.lift ? { lift_id: chosen.lift.id } : chosen.one && about ? { case_id: chosen.one.id }
    : { address: said.address || chosen.one?.address || "", district: said.district || chosen.one?.district || "" };
  const people = kind === "entrapment" ? { ...(said.trapped !== "" ? { trapped: Number(said.trapped) } : {}),
    ...(said.injured !== "" ? { injured: Number(said.injured) } : {}), vulnerable: [...inside] } : {};
  const caller = said.name || said.phone ? { caller: { name: said.name, phone: said.phone } } : {};
  return { kind, channel: said.channel, text: said.text, ...placed, ...people, ...caller };
}

/** What the call will become, before it is sent. @param {{kind: string, chosen: Chosen, placed: boolean}} props */
function Becomes({ kind, chosen, placed }) {
  if (!placed && !WITHOUT_PLACE.has(kind)) return html`<p class="becomes dim" role="status" data-testid="becomes">${t("intake.where")}</p>`;
  const own = chosen.lift?.becomes[kind];
  const joins = chosen.one && (kind === "entrapment" || kind === "fault");
  const raises = chosen.one && kind === "entrapment" && chosen.one.kind !== "entrapment";
  const became = own?.became ?? (joins ? (raises ? "raised-case" : "joined-case")
    : kind === "complaint" ? "new-complaint" : WITHOUT_PLACE.has(kind) ? "noted" : "new-case");
  const id = own?.case_id ?? own?.complaint_id ?? chosen.one?.id ?? 0;
  const loud = became === "joined-case" || became === "raised-case";
  return html`<p class=${`becomes${loud ? " abnormal" : ""}`} role="status" data-testid="becomes">${t(`became.${became}`, { id })}</p>`;
}

/** @param {{chosen: Chosen, onBack: () => void}} props */
const ChosenPlace = ({ chosen, onBack }) => html`<div class="chosen-lift"><p>${chosen.lift ? html`<${LiftLine} lift=${chosen.lift} />`
  : html`<b>${chosen.one?.district} ${chosen.one?.address}</b>`}</p>
  ${chosen.lift?.firm?.phone && html`<p class="dim">${t("lift.firm")} <a class="num" href=${`tel:${chosen.lift.firm.phone}`}>${chosen.lift.firm.phone}</a></p>`}
  <button type="button" class="button small" onClick=${onBack}>${t("intake.other_lift")}</button></div>`;

/** @param {{said: Said, set: (name: keyof Said) => (event: any) => void}} props */
const ByAddress = ({ said, set }) => html`<fieldset class="two"><legend>${t("intake.by_address")}</legend>
  <label>${t("intake.address")}<input id="address" maxlength="300" autocomplete="off" value=${said.address} onInput=${set("address")} /></label>
  <label>${t("intake.district")}<input maxlength="100" autocomplete="off" value=${said.district} onInput=${set("district")} /></label></fieldset>`;

/** @param {{said: Said, set: (name: keyof Said) => (event: any) => void, inside: Set<string>, toggle: (kind: string) => void}} props */
const People = ({ said, set, inside, toggle }) => html`<fieldset class="two"><legend>${t("intake.people")}</legend>
  <label class="short">${t("dialog.trapped")}<input type="number" min="0" max="1000" inputmode="numeric" value=${said.trapped} onInput=${set("trapped")} /></label>
  <label class="short">${t("rescue.injured_count")}<input type="number" min="0" max="1000" inputmode="numeric" value=${said.injured} onInput=${set("injured")} /></label>
  <div class="choices">${INSIDE.map((kind) => html`<label key=${kind} class="choice"><input type="checkbox" checked=${inside.has(kind)} onChange=${() => toggle(kind)} /> ${t(`vulnerable.${kind}`)}</label>`)}</div></fieldset>`;

/** @param {{said: Said, set: (name: keyof Said) => (event: any) => void}} props */
const Caller = ({ said, set }) => html`<fieldset class="two"><legend>${t("intake.caller")}</legend>
  <label>${t("intake.caller_name")}<input maxlength="100" autocomplete="off" value=${said.name} onInput=${set("name")} /></label>
  <label>${t("intake.caller_phone")}<input type="tel" maxlength="40" autocomplete="off" value=${said.phone} onInput=${set("phone")} /></label>
  <p class="dim">${t("intake.caller_note")}</p></fieldset>`;

/** Say what the call has become, and show its case. @param {any} call */
function done(call) {
  const id = call.case_id ?? call.complaint_id ?? call.id;
  toast(t(`became_done.${call.became}`, { id }));
  close();
  if (call.case_id !== null) openDetail({ kind: "case", id: call.case_id });
}

/** The same words sent again carry the same key, so that a call is taken once however often the button is pressed. */
function useSend() {
  const sent = useRef({ text: "", key: "" });
  return (/** @type {object} */ body) => {
    const text = JSON.stringify(body);
    if (sent.current.text !== text) sent.current = { text, key: newKey() };
    return post("/api/v1/calls", body, undefined, sent.current.key);
  };
}

export function Intake() {
  const [kind, setKind] = useState("entrapment");
  const [said, setSaid] = useState(EMPTY);
  const [chosen, setChosen] = useState(/** @type {Chosen} */ ({ lift: null, one: null }));
  const [inside, setInside] = useState(/** @type {Set<string>} */ (new Set()));
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const send = useSend();
  const set = (/** @type {keyof Said} */ name) => (/** @type {any} */ event) => { setSaid({ ...said, [name]: event.target.value }); setError(""); };
  const toggle = (/** @type {string} */ one) => setInside(new Set(inside.has(one) ? [...inside].filter((item) => item !== one) : [...inside, one]));
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const known = chosen.lift ?? chosen.one;
  const placed = known !== null || said.address.trim() !== "";
  useEffect(() => { // the next thing to ask for
    if (known) /** @type {HTMLElement|null} */ (form.current?.querySelector(kind === "entrapment" ? ".two input" : "#call-text"))?.focus();
  }, [known]);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    if (!placed && !WITHOUT_PLACE.has(kind)) return setError(t("intake.where"));
    if (IN_WORDS.has(kind) && !said.text.trim()) return setError(t("intake.words"));
    setBusy(true);
    try {
      done(await send(bodyOf(kind, said, chosen, inside)));
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure.body.errors?.[0]?.detail ?? (failure.status === 409 ? failure.body.detail : reason(failure)));
    }
    setBusy(false);
  };
  return html`<${Modal} label=${t("intake.title")}><form ref=${form} onSubmit=${submit} class="form intake"><h2>${t("intake.title")}</h2>
    <div class="kinds" role="radiogroup" aria-label=${t("intake.kind")}>${KINDS.map((one) => html`<label key=${one} class="choice">
      <input type="radio" name="kind" value=${one} checked=${kind === one} onChange=${() => { setKind(one); setError(""); }} /> ${t(`call.${one}`)}</label>`)}
      <select aria-label=${t("detail.channel")} value=${said.channel} onChange=${set("channel")}>${CHANNELS.map((one) => html`<option key=${one} value=${one}>${t(`channel.${one}`)}</option>`)}</select></div>
    ${known ? html`<${ChosenPlace} chosen=${chosen} onBack=${() => setChosen({ lift: null, one: null })} />`
      : html`<${LiftSearch} onLift=${(/** @type {FoundLift} */ lift) => setChosen({ lift, one: null })} onCase=${(/** @type {CaseByAddress} */ one) => setChosen({ lift: null, one })} />
        <${ByAddress} said=${said} set=${set} />`}
    <${Becomes} kind=${kind} chosen=${chosen} placed=${placed} />
    ${kind === "entrapment" && html`<${People} said=${said} set=${set} inside=${inside} toggle=${toggle} />`}
    <label>${t("intake.text")}<textarea id="call-text" rows="2" maxlength="2000" value=${said.text} onInput=${set("text")}></textarea></label>
    <${Caller} said=${said} set=${set} />
    ${error && html`<p class="form-error" role="alert">${error}</p>`}
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>${t("dialog.back")}</button>
      <button class="button primary" disabled=${busy}>${t("intake.take")}</button></div></form><//>`;
}
