// Light, dark, or as the system has it: a button that goes round, remembered by this browser.

import { byId, mark, say } from "./dom.js";

const KEY = "bitmart-bridge.theme";
const NAMES = ["auto", "light", "dark"];
const SIGNS = { auto: "◐", light: "☀", dark: "☾" };
const listeners = [];

let chosen = NAMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";

/** Call back whenever colours have changed. */
export function onTheme(listener) {
  listeners.push(listener);
}

export function startTheme() {
  const button = byId("theme");
  button.addEventListener("click", () => {
    chosen = NAMES[(NAMES.indexOf(chosen) + 1) % NAMES.length];
    localStorage.setItem(KEY, chosen);
    show(button);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  show(button);
}

function show(button) {
  mark(document.documentElement, "data-theme", chosen === "auto" ? "" : chosen);
  say(button, `${SIGNS[chosen]} ${chosen}`);
  mark(button, "aria-label", `Colours: ${chosen}`);
  tell();
}

function tell() {
  listeners.forEach((listener) => listener());
}
