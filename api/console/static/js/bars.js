/** The fixed top of the page: counters that never scroll away, and the bands that say what not to trust. */
import { dialog, selectFirstEntrapment } from "./actions.js";
import { boot, mayAct } from "./boot.js";
import { html } from "./html.js";
import { language, switchLanguage, t, tOr } from "./i18n.js";
import { FloodBand } from "./incident.js";
import { openIntake } from "./intake.js";
import { post } from "./api.js";
import { selfTest, setWanted, soundState, testing, unlock } from "./sound.js";
import { counters, dataAge, exercise, platform, staleness } from "./store.js";
import { age, clock, day, now } from "./time.js";

/** Who reads the security events, as api.access says. */
const WARDENS = ["supervisor", "auditor", "admin"];

function Clock() {
  return html`<span class="stat clock"><b class="num">${clock(now.value)}</b><small class="num">${day(now.value)}</small></span>`;
}

function DataAge() {
  const value = dataAge.value;
  return html`<span class=${`stat${staleness.value?.why === "data" ? " abnormal" : ""}`}>
    <b class="num">${value === null ? "—" : age(value)}</b><small>${t("top.data_age")}</small></span>`;
}

export function toggleSound() {
  if (soundState.value === "blocked") void unlock();
  else setWanted(soundState.value === "off");
}

function Sound() {
  const state = soundState.value;
  return html`<span class="group">
    <button class=${`tool sound-${state}`} aria-pressed=${state === "on"} title=${t("sound.toggle_hint")} onClick=${toggleSound}>
      <${SpeakerIcon} on=${state === "on"} /><span class="tool-text">${t(`sound.${state}`)}</span></button>
    <button class="tool" title=${t("sound.test_hint")} disabled=${testing.value !== null} onClick=${selfTest}>
      ${testing.value ? t(`severity.${testing.value}`) : t("sound.test")}</button></span>`;
}

/** @param {{on: boolean}} props */
function SpeakerIcon({ on }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="M2 7.5h3.5L10 3.5v13l-4.5-4H2z" fill="currentColor" />
    <path d=${on ? "M12.5 7a4 4 0 0 1 0 6M15 4.5a7.5 7.5 0 0 1 0 11" : "M13 7.5l5 5M18 7.5l-5 5"} fill="none" stroke="currentColor" stroke-width="1.6" /></svg>`;
}

function switchTheme() {
  const root = document.documentElement;
  const next = root.dataset.theme === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  try { localStorage.setItem("hoistway.theme", next); } catch { /* not kept */ }
  dispatchEvent(new Event("themechange"));
}

async function logout() {
  await post("/logout").catch(() => undefined);
  location.assign("/login");
}

export function TopBar() {
  const c = counters.value;
  const n = c.unhandled_entrapments;
  return html`<header class="top">
    <img class="brand" src="/static/favicon.svg" alt=${t("app.title")} width="28" height="28" />
    <button class=${`trapped${n > 0 ? " alarm" : ""}`} data-testid="entrapments" title=${t("top.entrapments_hint", { n })}
      onClick=${selectFirstEntrapment}><b class="num">${n}</b><span>${t("top.entrapments")}</span></button>
    <span class="stat"><b class="num">${c.open_cases}</b><small>${t("top.cases")}</small></span>
    <span class="stat"><b class="num">${c.open_alarms}</b><small>${t("top.alarms")}</small></span>
    <span class=${`stat${c.lifts_offline > 0 ? " abnormal" : ""}`}><b class="num">${t("top.offline_of", { n: c.lifts_offline, total: c.lifts })}</b>
      <small>${t("top.offline")}</small></span>
    <${DataAge} />
    ${mayAct && html`<button class="button take-call" onClick=${openIntake}>${t("intake.open")} <kbd>N</kbd></button>`}
    <span class="fill"></span>
    <${Clock} />
    <${Sound} />
    <span class="group tools">
      <button class="tool" lang=${language.value === "en" ? "zh-CN" : "en"} onClick=${switchLanguage} data-testid="language">${t("language.switch")}</button>
      <button class="tool" onClick=${switchTheme} title=${t(document.documentElement.dataset.theme === "dark" ? "theme.light" : "theme.dark")}>
        <svg class="icon" viewBox="0 0 20 20" role="img" aria-label=${t("theme.short")}><path d="M10 2a8 8 0 1 0 0 16z" fill="currentColor" />
        <circle cx="10" cy="10" r="7.2" fill="none" stroke="currentColor" stroke-width="1.6" /></svg></button>
      <button class="tool" onClick=${() => { dialog.value = { name: "help" }; }} aria-label=${t("top.help")} title=${t("top.help")}>?</button>
    </span>
    <a class="user" href="/account" title=${t("account.title")}><b>${boot.person}</b><small>${tOr(`role.${boot.role}`, boot.role)}</small></a>
    ${mayAct && html`<a class="tool" href="/handover">${t("handover.title")}</a>`}
    <a class="tool" href="/tickets">${t("top.tickets")}</a>
    ${mayAct && html`<a class="tool" href="/complaints">${t("complaints.title")}</a>`}
    ${WARDENS.includes(boot.role) && html`<a class="tool" href="/security">${t("top.security")}</a>`}
    ${WARDENS.includes(boot.role) && html`<a class="tool" href="/city-link">${t("top.city_link")}</a>`}
    <button class="tool" onClick=${logout}>${t("top.logout")}</button>
  </header>`;
}

function StaleBand() {
  const stale = staleness.value;
  if (!stale) return null;
  if (stale.why === "connecting") return html`<div class="band connecting" role="status">${t("band.connecting")}</div>`;
  return html`<div class="band stale" role="alert" data-testid="stale"><b aria-live="off">${t(`band.stale_${stale.why}`, { age: age(stale.seconds) })}</b>
    <span>${t("band.stale_call")}</span></div>`;
}

/** The dead-man's switch: stays until the watcher says that all is well again. */
function WatchBand() {
  const { state, findings } = platform.value;
  if (state !== "alarm" && state !== "silent") return null;
  const word = language.value === "en" ? "en" : "zh";
  const what = findings.map((item) => item[word]).join(word === "en" ? "; " : "；");
  return html`<div class="band stale" role="alert" data-testid="watch"><b aria-live="off">${t(`band.watch_${state}`, { what })}</b>
    <span>${t("band.stale_call")}</span></div>`;
}

function SoundBand() {
  const state = soundState.value;
  if (testing.value) return html`<div class="band quiet" role="status">${t("sound.testing", { severity: t(`severity.${testing.value}`) })}</div>`;
  if (state === "on") return null;
  return html`<div class="band quiet" data-testid="sound-band"><span>${t(state === "off" ? "band.sound_off" : "band.sound_blocked")}</span>
    <button class="button small" onClick=${() => setWanted(true)}>${t("band.sound_on")}</button></div>`;
}

export function Bands() {
  return html`<div class="bands">
    ${exercise.value && html`<div class="band exercise" data-testid="exercise"><span>${t("band.exercise")}</span></div>`}
    <${FloodBand} /><${WatchBand} /><${StaleBand} /><${SoundBand} /></div>`;
}

