// The chart's part of the page: which candles, their figures in words, the canvas and its keys, and a table of the last.

import { ChartCanvas } from "./canvas.js";
import { Candles, standing } from "./candles.js";
import { byId, el, mark, say } from "./dom.js";
import { byName, moment, plural, span } from "./format.js";
import { Line } from "./line.js";
import { Table } from "./table.js";

const FIGURES = ["open", "high", "low", "close", "volume"];
const LISTED = 20;
const KEYS = "Arrow keys move over the candles, plus and minus zoom, Home and End go to the ends, Escape leaves.";

export class Market {
  constructor() {
    this.candles = new Candles();
    this.offered = "";
    this.topic = null;
    this.line = null;
    this.trouble = "";
    this.fresh = false;
    this.select = el("select", { id: "chart-topic", onchange: () => this.choose(this.select.value) });
    this.legend = el("p", { class: "legend", hidden: true });
    this.delay = el("p", { class: "hint" });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.stage = el("div", { class: "stage", role: "slider", tabindex: "0", hidden: true, "aria-label": "Candle", title: KEYS }, this.canvas);
    this.empty = el("p", { class: "empty" });
    this.table = new Table({
      caption: `The last ${LISTED} candles, newest first`,
      key: ({ at }) => at,
      empty: "No candles yet.",
      most: LISTED,
      columns: [
        { title: "Opens (UTC)", text: ({ at }) => moment(at) },
        ...FIGURES.map((name) => ({ title: name[0].toUpperCase() + name.slice(1), numeric: true, text: ({ fields }) => fields[name] })),
        { title: "Standing", long: true, text: standing },
      ],
    });
    this.details = el("details", {}, el("summary", { text: `The last ${LISTED} candles as a table` }), this.table.element);
    this.choice = el("div", { class: "choice" }, el("label", { for: "chart-topic", text: "Symbol and timeframe" }), this.select);
    byId("chart").append(this.choice, this.legend, this.stage, this.empty, this.delay, this.details);
    this.chart = new ChartCanvas(this.canvas, () => this.tell());
    this.listen();
  }

  /** Offer what is served; begin with the first. */
  offer(topics) {
    const charted = [...topics.values()].filter(({ channel, symbol }) => channel === "kline" && symbol !== "*");
    charted.sort((one, other) => byName(one.name, other.name));
    const words = charted.map(({ symbol, timeframe }) => `${symbol} ${timeframe}`);
    if (words.join() !== this.offered) {
      this.offered = words.join();
      this.select.replaceChildren(...words.map((text) => el("option", { value: text, text })));
      if (this.topic && words.includes(this.topic)) this.select.value = this.topic;
    }
    if (!words.includes(this.topic)) this.choose(words[0] ?? null);
    this.draw();
  }

  choose(topic) {
    if (topic === this.topic) return;
    this.line?.stop();
    [this.topic, this.candles, this.trouble] = [topic, new Candles(), ""];
    this.chart.reset();
    this.draw();
    if (topic === null) return;
    this.select.value = topic;
    const [symbol, timeframe] = topic.split(" ");
    this.line = new Line(`live/klines?${new URLSearchParams({ symbol, timeframe })}`, this);
    this.line.start();
  }

  stop() {
    this.line?.stop();
    this.topic = null;
  }

  opened() {
    this.trouble = "";
    this.fresh = true;
    this.draw();
  }

  heard(event, message) {
    // Everything comes anew; until it does, what was there is better than nothing.
    if (this.fresh) this.candles = new Candles();
    this.fresh = false;
    this.candles.take(event, message);
    this.draw();
  }

  lost(trouble) {
    this.trouble = trouble.message;
    this.draw();
  }

  refused(trouble) {
    this.lost(trouble);
  }

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
    });
  }

  paint() {
    const list = this.candles.list();
    this.choice.hidden = this.topic === null;
    this.stage.hidden = this.legend.hidden = this.details.hidden = !list.length;
    this.empty.hidden = Boolean(list.length);
    say(this.empty, this.emptiness());
    this.chart.show(list);
    this.table.show(list.slice(-LISTED).reverse());
    this.tell();
    const delay = this.candles.delay();
    say(this.delay, Number.isNaN(delay) ? "" : `Received to stored: ${span(delay)} (median of the last updates)`);
  }

  emptiness() {
    if (this.trouble) return this.trouble;
    if (this.topic === null) return "No candles to show: subscribe to a symbol first.";
    return `No candle of ${this.topic} yet. The first comes with the next trade.`;
  }

  /** Say the figures of the candle under the crosshair, or of the newest. */
  tell() {
    const list = this.candles.list();
    const candle = this.chart.chosen ?? list.at(-1);
    if (!candle) return;
    const figures = FIGURES.map((name) => [name, candle.fields[name] || "–"]);
    if (this.legend.childElementCount !== FIGURES.length + 2) this.build();
    const [time, ...rest] = this.legend.children;
    say(time, `${moment(candle.at).slice(0, 16)}`);
    figures.forEach(([, value], place) => say(rest[place].lastChild, value));
    say(this.legend.lastChild, standing(candle));
    mark(this.legend, "data-way", candle.close >= candle.open ? "up" : "down");
    mark(this.stage, "aria-valuemin", "1");
    mark(this.stage, "aria-valuemax", String(list.length));
    mark(this.stage, "aria-valuenow", String(list.indexOf(candle) + 1));
    const spoken = figures.map(([name, value]) => `${name} ${value}`).join(", ");
    mark(this.stage, "aria-valuetext", `${this.topic}, ${moment(candle.at).slice(0, 16)} UTC: ${spoken}; ${standing(candle)}`);
    mark(this.stage, "aria-label", `Candles of ${this.topic}, ${plural(list.length, "candle")}`);
  }

  build() {
    const pairs = FIGURES.map((name) => el("span", {}, el("span", { class: "label", text: name }), el("span", { class: "figure" })));
    this.legend.replaceChildren(el("time"), ...pairs, el("span", { class: "standing" }));
  }

  listen() {
    const { stage, chart } = this;
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerleave", () => !this.dragged && chart.choose(null));
    stage.addEventListener("blur", () => chart.choose(null));
    stage.addEventListener("pointerdown", (event) => {
      this.dragged = { from: event.clientX, id: event.pointerId };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointerup", () => (this.dragged = null));
    stage.addEventListener("pointercancel", () => (this.dragged = null));
    stage.addEventListener("pointermove", (event) => this.move(event));
  }

  move(event) {
    const { chart } = this;
    if (this.dragged) {
      const moved = Math.round((event.clientX - this.dragged.from) / chart.places.slot);
      if (moved) this.dragged.from = event.clientX;
      chart.pan(moved);
    }
    chart.point(event.clientX - this.canvas.getBoundingClientRect().left);
  }

  wheel(event) {
    // A page is scrolled over a chart; who means the chart holds a key, as with maps.
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    this.chart.zoom((event.deltaY || event.deltaX) > 0 ? 1.15 : 0.87);
  }

  key(event) {
    const { chart } = this;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) chart.step(steps[event.key]);
    else if (event.key === "+" || event.key === "=") chart.zoom(0.8);
    else if (event.key === "-") chart.zoom(1.25);
    else if (event.key === "Escape") chart.choose(null);
    else return;
    event.preventDefault();
  }
}
