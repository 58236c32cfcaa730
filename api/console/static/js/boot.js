/** What the server wrote into the page: language, messages, who is logged in. */

/** @type {{language: string, messages: Record<string, Record<string, string>>, person: string, role: string, csrf: string, timeZone: string}} */
export const boot = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("boot")).textContent ?? "{}");

/** Roles that may acknowledge and move; the server decides, this only greys buttons. */
export const mayAct = ["dispatcher", "supervisor", "admin"].includes(boot.role);
