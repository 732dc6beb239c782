// The token: asked for in the page when the API wants one, and forgotten on demand.

import { forgetToken, hasToken, keepToken } from "./api.js";
import { byId, say } from "./dom.js";

export class Access {
  /** @param onToken called when there is another token to try. */
  constructor(onToken) {
    this.input = byId("token-input");
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.input.value.trim();
      if (!token) return;
      keepToken(token);
      this.input.value = "";
      onToken();
    });
    byId("forget").addEventListener("click", () => {
      forgetToken();
      onToken();
    });
  }

  /** Ask, and say why if a token was shown and refused. */
  ask(refusal) {
    say(byId("token-error"), hasToken() ? refusal.message : "");
    forgetToken();
    byId("token").hidden = false;
    byId("content").hidden = true;
    byId("forget").hidden = true;
    this.input.focus();
  }

  granted() {
    if (byId("content").hidden && byId("token").contains(document.activeElement)) byId("main").focus();
    byId("token").hidden = true;
    byId("content").hidden = false;
    byId("forget").hidden = !hasToken();
  }
}
