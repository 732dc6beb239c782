// A canvas that fits its place and the screen's density, and the part of the candles that it shows: zoom, pan, crosshair.

import { decimals } from "./candles.js";
import { draw } from "./chart.js";
import { onTheme } from "./theme.js";

const FEWEST = 12;
const MOST = 400;
const COLOURS = {
  text: "--text",
  muted: "--muted",
  surface: "--surface",
  line: "--line",
  grid: "--grid",
  up: "--up",
  down: "--down",
  upSoft: "--up-soft",
  downSoft: "--down-soft",
  warn: "--warn",
};

export class ChartCanvas {
  /** @param onCrosshair called when the crosshair goes to another candle. */
  constructor(canvas, onCrosshair) {
    this.canvas = canvas;
    this.onCrosshair = onCrosshair;
    this.candles = [];
    this.count = 0;
    this.back = 0;
    this.chosenAt = null;
    this.places = { left: () => 0, slot: 1, plotWidth: 0 };
    new ResizeObserver(() => this.draw()).observe(canvas);
    onTheme(() => this.draw());
  }

  show(candles) {
    // Who looks at the past goes on looking at it while candles come.
    if (this.back && this.candles.length) this.back += candles.filter(({ at }) => at > this.candles.at(-1).at).length;
    this.candles = candles;
    this.draw();
  }

  reset() {
    [this.back, this.chosenAt, this.candles] = [0, null, []];
    this.draw();
  }

  get visible() {
    const end = this.candles.length - this.back;
    return this.candles.slice(Math.max(0, end - this.count), end);
  }

  /** The candle under the crosshair, or nothing. */
  get chosen() {
    return this.chosenAt === null ? undefined : this.candles.find(({ at }) => at === this.chosenAt);
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.count ||= Math.round(Math.min(Math.max(width / 7, 40), 120));
    const density = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * density);
    this.canvas.height = Math.round(height * density);
    const context = this.canvas.getContext("2d");
    context.scale(density, density);
    const candles = this.visible;
    const crosshair = candles.findIndex(({ at }) => at === this.chosenAt);
    const latest = this.candles.at(-1);
    const style = getComputedStyle(this.canvas);
    const colours = Object.fromEntries(Object.entries(COLOURS).map(([name, token]) => [name, style.getPropertyValue(token)]));
    const font = `${style.fontSize} ${style.fontFamily}`;
    this.places = draw(context, width, height, { candles, crosshair, latest, colours, font, places: decimals(candles) });
  }

  choose(at) {
    if (at === this.chosenAt) return;
    this.chosenAt = at;
    this.draw();
    this.onCrosshair();
  }

  /** Put the crosshair over what stands at `x` CSS pixels. */
  point(x) {
    const visible = this.visible;
    const index = visible.length - 1 - Math.floor((this.places.plotWidth - x) / this.places.slot);
    this.choose(visible[Math.min(Math.max(index, 0), visible.length - 1)]?.at ?? null);
  }

  /** Move the crosshair by candles, and what is visible with it. */
  step(by) {
    const here = this.chosenAt === null ? this.candles.length : this.candles.findIndex(({ at }) => at === this.chosenAt);
    const there = Math.min(Math.max(here + by, 0), this.candles.length - 1);
    const end = this.candles.length - this.back;
    if (there >= end) this.back = this.candles.length - there - 1;
    else if (there < end - this.count) this.back = this.candles.length - there - this.count;
    this.choose(this.candles[there]?.at ?? null);
  }

  pan(by) {
    this.back = Math.min(Math.max(0, this.back + by), Math.max(0, this.candles.length - FEWEST));
    this.draw();
  }

  zoom(factor) {
    this.count = Math.round(Math.min(Math.max(this.count * factor, FEWEST), MOST));
    this.draw();
  }
}
