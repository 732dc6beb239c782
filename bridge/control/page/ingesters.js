// Who is alive: connections, how much flows, what waits, and all else that an ingester says of itself.

import { byId, el, mark, say } from "./dom.js";
import { count, moment, plural, rate, span } from "./format.js";

const FIGURES = [
  ["Topics held", held],
  ["Frames", (ingester, model) => `${rate(model.rate(ingester.id, "frames"))} /s`],
  ["Entries", (ingester, model) => `${rate(model.rate(ingester.id, "entries"))} /s`],
  ["Waiting entries", ({ depth }) => count(depth)],
  ["Proof lag", ({ proof_lag_ms }) => (Number.isFinite(proof_lag_ms) ? span(proof_lag_ms) : "–")],
  ["Running for", ({ started }, model) => (started ? span(model.now() - started) : "–")],
];
// Shown above, or in no need of being shown.
const PLACED = new Set(["id", "serving", "target", "host", "version", "depth", "last_error", "stopping", "draining", "authenticated", "public", "private"]);
const TIMES = new Set(["started", "clock_ms"]);

export class Ingesters {
  /** @param onStop called with the id of the one to stop. */
  constructor(model, onStop) {
    this.model = model;
    this.onStop = onStop;
    this.cards = new Map();
    this.list = el("ul", { class: "members" });
    this.empty = el("p", { class: "empty", text: "No ingester is alive. Wishes are kept; start one with: bitmart-bridge ingest" });
    byId("ingesters").append(this.empty, this.list);
  }

  draw() {
    const ingesters = this.model.overview?.ingesters ?? [];
    this.empty.hidden = Boolean(ingesters.length);
    const alive = new Set(ingesters.map(({ id }) => id));
    for (const [id, card] of this.cards) {
      if (alive.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    for (const ingester of ingesters) this.card(ingester).show(ingester, this.model);
  }

  card({ id }) {
    let card = this.cards.get(id);
    if (!card) {
      card = new Card(id, this.onStop);
      this.cards.set(id, card);
      this.list.append(card.element);
    }
    return card;
  }
}

class Card {
  constructor(id, onStop) {
    this.where = el("p", { class: "hint" });
    this.stop = el("button", { type: "button", class: "quiet", text: "Stop", "aria-label": `Stop ${id}`, onclick: () => onStop(id) });
    this.sockets = ["public", "private"].map((name) => [name, el("span", { class: "dot" })]);
    this.figures = FIGURES.map(([, read]) => [read, el("dd")]);
    this.error = el("p", { class: "error" });
    this.rest = el("dl", { class: "rest" });
    this.element = el(
      "li",
      {},
      el("div", { class: "head" }, el("div", {}, el("h3", { text: id }), this.where), this.stop),
      el("p", { class: "sockets" }, ...this.sockets.map(([, dot]) => dot)),
      el("dl", { class: "figures" }, ...FIGURES.map(([title], place) => el("div", {}, el("dt", { text: title }), this.figures[place][1]))),
      this.error,
      el("details", {}, el("summary", { text: "All that it says" }), this.rest),
    );
  }

  show(ingester, model) {
    say(this.where, [ingester.host, ingester.version && `version ${ingester.version}`].filter(Boolean).join(", "));
    for (const [name, dot] of this.sockets) {
      say(dot, `${name} socket ${ingester[name] ?? "unknown"}`);
      mark(dot, "data-mark", ingester[name] ?? "");
    }
    for (const [read, figure] of this.figures) say(figure, read(ingester, model));
    this.stop.disabled = ingester.stopping || ingester.draining;
    say(this.stop, this.stop.disabled ? "Stopping" : "Stop");
    say(this.error, String(ingester.last_error ?? ""));
    this.showRest(ingester);
  }

  showRest(ingester) {
    const rows = Object.entries(ingester).filter(([name]) => !PLACED.has(name));
    const names = rows.map(([name]) => name).join();
    if (names !== this.names) {
      this.names = names;
      this.rest.replaceChildren(...rows.map(([name]) => el("div", {}, el("dt", { text: name.replaceAll("_", " ") }), el("dd"))));
    }
    rows.forEach(([name, value], place) => say(this.rest.children[place].lastChild, TIMES.has(name) ? moment(value) : plain(value)));
  }
}

function held({ serving, target }, model) {
  if (serving !== undefined) return target === undefined || target === serving ? count(serving) : `${count(serving)} of ${count(target)}`;
  // One that is alone and says nothing of its share has all of them.
  return model.overview.ingesters.length === 1 ? count(model.topics.size) : "–";
}

function plain(value) {
  return typeof value === "number" ? count(value) : String(value);
}

/** How all of them are together, for the summary. */
export function together(overview, model) {
  const sum = (figure) => overview.ingesters.reduce((total, one) => total + (Number(one[figure]) || 0), 0);
  const rates = overview.ingesters.map(({ id }) => model.rate(id, "entries")).filter(Number.isFinite);
  const lags = overview.ingesters.map(({ proof_lag_ms }) => proof_lag_ms).filter(Number.isFinite);
  return {
    depth: sum("depth"),
    lost: sum("overflowed"),
    rate: rates.length ? rates.reduce((total, one) => total + one, 0) : NaN,
    lag: lags.length ? Math.max(...lags) : NaN,
    alive: plural(overview.ingesters.length, "ingester"),
  };
}
