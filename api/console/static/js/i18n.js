/** Texts by key in the language on screen. The messages come with the page; switching needs no reload. */
import { signal } from "@preact/signals";
import { boot } from "./boot.js";

export const language = signal(boot.language);

/**
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 * @returns {string}
 */
export function t(key, values) {
  const text = boot.messages[language.value][key];
  if (text === undefined) {
    console.error(`no message ${key}`); // a missing word must not take the alarm list off the screen
    return key;
  }
  return values ? text.replace(/\{([a-z_]+)\}/g, (whole, name) => String(values[name] ?? whole)) : text;
}

/** The text of `key` when there is one, else `otherwise`: for words that the server may add before this page knows them. */
export function tOr(/** @type {string} */ key, /** @type {string} */ otherwise) {
  return boot.messages[language.value][key] ?? otherwise;
}

/** @param {{zh: string, en: string}} title */
export const titleOf = (title) => (language.value === "en" ? title.en : title.zh);

export function switchLanguage() {
  language.value = language.value === "en" ? "zh-CN" : "en";
  document.documentElement.lang = language.value;
  document.title = t("app.title");
  void fetch(`/login?lang=${language.value}`).catch(() => undefined); // the server keeps the choice in its cookie
}
