// Every topic: how far it has come, how old its data is, and what the exchange says against it.

import { byId, el, say } from "./dom.js";
import { age, count, moment } from "./format.js";
import { Table } from "./table.js";

const STATES = ["all", "active", "pending", "rejected"];
const RANK = { rejected: 0, pending: 1, active: 2 };

export class Topics {
  /** @param actions `chart(topic)` and `unsubscribe(topic)`. */
  constructor(model, actions) {
    this.model = model;
    this.actions = actions;
    this.state = "all";
    this.filter = el("input", { type: "search", id: "topics-filter", placeholder: "symbol, timeframe, words", oninput: () => this.draw() });
    this.states = STATES.map((state) => this.button(state));
    this.table = new Table({
      caption: "Topics",
      key: ({ name }) => name,
      empty: "",
      most: 100,
      sorted: { column: 1, down: false },
      columns: [
        { title: "Topic", free: true, text: words, sort: words },
        { title: "State", text: ({ state }) => state, mark: ({ state }) => state, sort: (topic) => `${RANK[topic.state]} ${words(topic)}` },
        { title: "Data age", numeric: true, text: (topic) => this.age(topic), mark: (topic) => this.ageMark(topic), sort: ({ data_at }) => -data_at },
        { title: "Since (UTC)", long: true, text: ({ since }) => moment(since) || "–", sort: ({ since }) => since },
        { title: "In words", wide: true, text: said, sort: said },
        { title: "Actions", build: (name) => this.buttons(name) },
      ],
    });
    const bar = el(
      "div",
      { class: "filters" },
      el("div", { class: "segments", role: "group", "aria-label": "Show topics that are" }, ...this.states),
      el("label", { for: "topics-filter", class: "unseen", text: "Filter topics" }),
      this.filter,
    );
    byId("topics").append(bar, this.table.element);
  }

  draw() {
    const topics = [...this.model.topics.values()];
    this.states.forEach((button, place) => {
      const among = STATES[place] === "all" ? topics : topics.filter(({ state }) => state === STATES[place]);
      say(button.lastChild, count(among.length));
    });
    const wanted = this.filter.value.toLowerCase().split(/\s+/);
    const shown = topics.filter(
      (topic) => (this.state === "all" || topic.state === this.state) && matches(topic, wanted),
    );
    say(this.table.empty, topics.length ? "No topic is like that." : "Nothing subscribed yet: say what you want, in the form above or by the control API.");
    this.table.show(shown);
  }

  button(state) {
    const pressed = String(state === this.state);
    const choose = () => {
      this.state = state;
      this.states.forEach((other, place) => other.setAttribute("aria-pressed", String(STATES[place] === state)));
      this.draw();
    };
    return el("button", { type: "button", "aria-pressed": pressed, onclick: choose }, `${state} `, el("span", { class: "number", text: "0" }));
  }

  buttons(name) {
    const topic = this.model.topics.get(name);
    const made = el("div", { class: "row-actions" });
    const add = (text, act) =>
      made.append(el("button", { type: "button", class: "quiet", text, "aria-label": `${text} ${words(topic)}`, onclick: () => act(this.model.topics.get(name) ?? topic) }));
    if (topic.channel === "kline" && topic.symbol !== "*") add("Chart", this.actions.chart);
    if (topic.channel) add("Unsubscribe", this.actions.unsubscribe);
    return made;
  }

  age({ data_at }) {
    return data_at ? age(this.model.now() - data_at) : "–";
  }

  ageMark({ data_at, state }) {
    return state === "active" && data_at && this.model.now() - data_at > 120_000 ? "old" : "";
  }
}

export function words({ name, channel, symbol, timeframe }) {
  if (channel === "kline") return `${symbol === "*" ? "every contract" : symbol} ${timeframe}`;
  if (channel === "order") return "orders and fills";
  if (channel === "position") return "positions";
  return name || "(an empty name)";
}

function said({ reason, wanted }) {
  return [reason, wanted ? "" : "not wanted any more"].filter(Boolean).join("; ");
}

function matches(topic, wanted) {
  const text = `${topic.name} ${words(topic)} ${topic.state} ${topic.reason}`.toLowerCase();
  return wanted.every((word) => text.includes(word));
}
