/** The keyboard: everything a dispatcher does without the mouse. Keys are dead while text is being typed. */
import { acknowledge, dialog, moveSelection, openDetail, selectFirstEntrapment, toast } from "./actions.js";
import { toggleSound } from "./bars.js";
import { mayAct } from "./boot.js";
import { focusComment } from "./detail.js";
import { t } from "./i18n.js";
import { openIntake } from "./intake.js";
import { focusMap } from "./map.js";
import { mayBeTrapped } from "./order.js";
import { toggleShelved } from "./silence.js";
import { alarms, cases, select, selected, view } from "./store.js";

function release() {
  const target = selected.peek();
  const row = target?.kind === "case" ? cases.peek().get(target.id) : undefined;
  if (!row || !mayAct) return;
  if (mayBeTrapped(row)) dialog.value = { name: "release", caseId: row.id };
  else toast(t("toast.illegal"), true);
}

function shelve() {
  const target = selected.peek();
  if (target?.kind === "case") toast(t("toast.never_shelved"), true);
  else if (target?.kind === "alarm") toggleShelved(alarms.peek().get(target.id));
}

function startComment() {
  const target = selected.peek();
  if (!target || target.kind === "lift" || target.kind === "incident") return;
  openDetail(target);
  focusComment();
}

function escape() {
  if (view.peek() !== "list") view.value = "list";
  else select(null);
}

/** @type {Record<string, () => void>} */
const ACTIONS = {
  j: () => moveSelection(1), ArrowDown: () => moveSelection(1),
  k: () => moveSelection(-1), ArrowUp: () => moveSelection(-1),
  a: () => void acknowledge(selected.peek()),
  Enter: () => { const target = selected.peek(); if (target) openDetail(target); },
  n: openIntake, c: startComment, r: release, s: shelve, t: selectFirstEntrapment, m: toggleSound, g: focusMap,
  "?": () => { dialog.value = { name: "help" }; },
  Escape: escape,
};

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (dialog.peek()) {
    if (event.key === "Escape") dialog.value = null; // also when it is asked for but not drawn yet
    return;
  }
  const focus = /** @type {HTMLElement} */ (event.target);
  if (focus.closest("input, textarea, select")) {
    if (event.key === "Escape") focus.blur();
    return;
  }
  if (event.key === "Enter" && focus.closest("button, a")) return;
  const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || (event.repeat && event.key.toLowerCase() === "a")) return;
  event.preventDefault();
  action();
}

export const startKeys = () => document.addEventListener("keydown", pressed);
