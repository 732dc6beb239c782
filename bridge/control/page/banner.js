// What is wrong with the line to the bridge, and a way to try again at once.

import { byId, el, mark, say } from "./dom.js";

export class Banner {
  constructor(onRetry) {
    this.words = el("p");
    this.element = byId("banner");
    this.element.append(this.words, el("button", { type: "button", text: "Try again now", onclick: onRetry }));
    this.state = byId("connection");
  }

  connecting() {
    this.tell("connecting");
  }

  live(paused) {
    this.element.hidden = true;
    this.tell(paused ? "paused" : "live");
  }

  refused() {
    this.element.hidden = true;
    this.tell("token wanted");
  }

  lost(trouble, waitMs) {
    say(this.words, `${trouble.message} What you see is as it was. Trying again in ${Math.ceil(waitMs / 1_000)} s.`);
    this.element.hidden = false;
    this.tell("no connection");
  }

  tell(state) {
    say(this.state, state);
    mark(this.state, "data-state", state.replaceAll(" ", "-"));
  }
}
