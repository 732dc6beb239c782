// The page's first line: whether all is well, in six figures.

import { byId, el, mark, say } from "./dom.js";
import { count, plural, rate, span } from "./format.js";
import { together } from "./ingesters.js";

const TITLES = ["Ingesters", "Topics", "Refused", "Entries", "Waiting entries", "Proof lag"];
const SLOW_MS = 60_000;

export class Summary {
  constructor(model) {
    this.model = model;
    this.tiles = TITLES.map((title) => {
      const [figure, note] = [el("dd", { class: "figure" }), el("dd", { class: "note" })];
      return { figure, note, element: el("div", {}, el("dt", { text: title }), figure, note) };
    });
    byId("summary").append(el("dl", { class: "summary" }, ...this.tiles.map(({ element }) => element)));
  }

  draw() {
    const { overview, topics } = this.model;
    if (!overview) return;
    const all = together(overview, this.model);
    const states = [...topics.values()].map(({ state }) => state);
    const [active, rejected] = ["active", "rejected"].map((state) => states.filter((other) => other === state).length);
    const sockets = overview.ingesters.filter((one) => one.public === "open").length;
    const rows = [
      [count(overview.ingesters.length), plural(sockets, "public socket open", "public sockets open"), overview.ingesters.length ? "" : "bad"],
      [count(active), `active of ${count(states.length)}`, overview.paused || active + rejected < states.length ? "warn" : ""],
      [count(rejected), rejected ? "see the topics" : "by the exchange", rejected ? "bad" : ""],
      [rate(all.rate), "a second", ""],
      [count(all.depth), all.lost ? `${count(all.lost)} lost by overflow` : "for Redis", all.lost ? "bad" : all.depth > 1_000 ? "warn" : ""],
      [Number.isFinite(all.lag) ? span(all.lag) : "–", "of closed candles", all.lag > SLOW_MS ? "warn" : ""],
    ];
    rows.forEach(([figure, note, state], place) => {
      say(this.tiles[place].figure, figure);
      say(this.tiles[place].note, note);
      mark(this.tiles[place].element, "data-mark", state);
    });
  }
}
