/** The frame of every dialog: native and modal, so that it keeps the focus inside and closes on Esc. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { dialog } from "./actions.js";
import { html } from "./html.js";

export const close = () => { dialog.value = null; };

/** @param {{label: string, children?: any}} props */
export function Modal({ label, children }) {
  const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useLayoutEffect(() => {
    const element = ref.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return html`<dialog ref=${ref} aria-label=${label} onClose=${close}>${children}</dialog>`;
}
