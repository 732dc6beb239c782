// Saying what is wanted: subscribe, unsubscribe, pause, resume, stop. Every answer is shown where it was asked for.

import { post } from "./api.js";
import { byId, el, mark, say } from "./dom.js";
import { words } from "./topics.js";

const WAIT = "?wait=active&timeout=5";

export class Wishes {
  /** @param onRefused called when another token is wanted. */
  constructor(model, onRefused) {
    this.model = model;
    this.onRefused = onRefused;
    this.offered = "";
    this.symbol = el("input", { id: "wish-symbol", list: "wish-symbols", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", placeholder: "BTCUSDT, ETHUSDT or *" });
    this.symbols = el("datalist", { id: "wish-symbols" });
    this.owner = el("input", { id: "wish-owner", autocomplete: "off", spellcheck: "false", placeholder: "shared", maxlength: "64" });
    this.frames = el("div", { class: "chips" });
    this.result = el("p", { class: "result", role: "status" });
    this.paused = el("button", { type: "button", class: "quiet", onclick: () => this.switchPause() });
    this.form = el("form", { novalidate: true, onsubmit: (event) => this.submit(event) }, ...this.fields());
    byId("wishes").append(this.form, this.privates(), this.result, this.whole());
  }

  fields() {
    const field = (id, text, input, hint) => el("div", { class: "field" }, el("label", { for: id, text }), input, hint);
    return [
      field("wish-symbol", "Symbols", this.symbol, el("p", { class: "hint", text: "Several with commas; * is every contract that trades." })),
      this.symbols,
      el("fieldset", {}, el("legend", { text: "Timeframes" }), this.frames),
      field("wish-owner", "Owner (optional)", this.owner, el("p", { class: "hint", text: "Whose wish it is: a topic is served while anybody wants it." })),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "submit", class: "primary", text: "Subscribe" }),
        el("button", { type: "button", text: "Unsubscribe", onclick: () => this.klines("unsubscribe") }),
      ),
    ];
  }

  privates() {
    this.private = ["orders", "positions"].map((name) => {
      const button = el("button", { type: "button", role: "switch", "aria-checked": "false", onclick: () => this.switchPrivate(name) });
      button.append(el("span", { class: "knob", "aria-hidden": "true" }), name === "orders" ? "Orders and fills" : "Positions");
      return [name, button];
    });
    return el("div", { class: "switches" }, ...this.private.map(([, button]) => button));
  }

  whole() {
    const stop = el("button", { type: "button", class: "quiet danger", text: "Stop all ingesters", onclick: () => this.stop() });
    return el("div", { class: "actions apart" }, this.paused, stop);
  }

  draw() {
    const { overview, topics } = this.model;
    if (!overview) return;
    this.offer(overview.timeframes);
    say(this.paused, overview.paused ? "Resume" : "Pause");
    mark(this.paused, "aria-label", overview.paused ? "Resume the bridge" : "Pause the bridge");
    const all = [...topics.values()];
    for (const [name, button] of this.private) {
      const on = all.some(({ channel, wanted }) => wanted && `${channel}s` === name);
      mark(button, "aria-checked", String(on));
    }
    const symbols = [...new Set(all.map(({ symbol }) => symbol))].filter(Boolean).sort();
    if (symbols.join() !== this.known) {
      this.known = symbols.join();
      this.symbols.replaceChildren(...symbols.map((value) => el("option", { value })));
    }
  }

  offer(timeframes) {
    if (timeframes.join() === this.offered) return;
    this.offered = timeframes.join();
    const chip = (value) => el("label", { class: "chip" }, el("input", { type: "checkbox", value, name: "tf" }), el("span", { text: value }));
    this.frames.replaceChildren(...timeframes.map(chip));
  }

  submit(event) {
    event.preventDefault();
    this.klines("subscribe");
  }

  klines(what) {
    const symbols = this.symbol.value.split(/[\s,]+/).filter(Boolean);
    const tfs = [...this.frames.querySelectorAll("input:checked")].map(({ value }) => value);
    if (!symbols.length) return this.complain("Name a symbol first.", this.symbol);
    if (!tfs.length) return this.complain("Choose a timeframe first.", this.frames.querySelector("input"));
    return this.send(`klines/${what}${WAIT}`, { symbols: symbols.length === 1 && symbols[0] === "*" ? "*" : symbols, tfs, ...this.owned() });
  }

  switchPrivate(name) {
    const on = this.private.find(([other]) => other === name)[1].getAttribute("aria-checked") === "true";
    return this.send(`${name}/${on ? "unsubscribe" : "subscribe"}${WAIT}`, this.owned());
  }

  unsubscribe(topic) {
    if (topic.channel === "kline") return this.send(`klines/unsubscribe${WAIT}`, { symbol: topic.symbol, tfs: topic.timeframe, ...this.owned() }, words(topic));
    return this.send(`${topic.channel}s/unsubscribe${WAIT}`, this.owned(), words(topic));
  }

  switchPause() {
    return this.send(`${this.model.overview.paused ? "resume" : "pause"}${WAIT}`);
  }

  async stop(ingester) {
    const whom = ingester ? `ingester ${ingester}` : "all ingesters";
    if (await sure(`Stop ${whom}? Each unsubscribes, writes what it holds, and exits. Wishes are kept.`, "Stop")) {
      await this.send("stop", ingester ? { ingester } : {});
    }
  }

  owned() {
    const owner = this.owner.value.trim();
    return owner ? { owner } : {};
  }

  complain(text, input) {
    this.show(text, "bad");
    input?.focus();
  }

  async send(path, body) {
    this.show("Asking …", "");
    mark(this.form, "aria-busy", "true");
    try {
      const { status, answer } = await post(path, body);
      this.show(...told(status, answer));
    } catch (refusal) {
      this.show(refusal.message, "bad");
      if (refusal.wantsToken) this.onRefused(refusal);
    } finally {
      mark(this.form, "aria-busy", null);
    }
  }

  show(text, state) {
    say(this.result, text);
    mark(this.result, "data-mark", state);
  }
}

function told(status, answer) {
  const more = Object.entries(answer.still_wanted_by ?? {}).map(([topic, owners]) => `${topic} is still wanted by ${owners.join(", ")}`);
  const said = [answer.message, answer.warning, ...more];
  if (status !== 202) return [said.filter(Boolean).join(". "), answer.warning ? "warn" : "good"];
  return [[...said, `Stored, but not done yet: ${answer.reasons.join("; ")}`].filter(Boolean).join(". "), "warn"];
}

function sure(text, yes) {
  const dialog = byId("question");
  say(byId("question-text"), text);
  say(byId("question-yes"), yes);
  dialog.returnValue = "";
  byId("question-yes").onclick = () => dialog.close("yes");
  byId("question-no").onclick = () => dialog.close("");
  dialog.showModal();
  byId("question-no").focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
