// Candles on a canvas: prices above, volumes below, axes, the last price, a crosshair. It draws what it is given.

import { clock, day } from "./format.js";

const TOP = 10;
const BOTTOM = 24;
const VOLUME_SHARE = 0.18;
const GAP = 10;
const LABEL = 16;
const HOLLOW_FROM = 4;
const DAY_MS = 86_400_000;
const STEPS = [1, 2, 2.5, 5, 10];

/**
 * Draw, and return where candles stand: `{left(index), slot, plotWidth}`.
 *
 * @param context of a canvas that is `width` by `height` CSS pixels, already scaled to the screen's.
 * @param scene `{candles, places, crosshair, colours, font}`; `crosshair` is an index or -1.
 */
export function draw(context, width, height, scene) {
  const { candles, colours, font } = scene;
  context.clearRect(0, 0, width, height);
  context.font = font;
  const prices = range(candles);
  const write = (price) => price.toFixed(scene.places);
  const plotWidth = width - Math.ceil(context.measureText(write(prices.most)).width) - 18;
  const volumeHeight = Math.round((height - TOP - BOTTOM) * VOLUME_SHARE);
  const floor = height - BOTTOM - volumeHeight - GAP;
  const y = (price) => TOP + ((prices.most - price) / (prices.most - prices.least)) * (floor - TOP);
  const slot = plotWidth / Math.max(candles.length, 12);
  const left = (index) => plotWidth - (candles.length - index) * slot;
  const frame = { context, width, height, plotWidth, floor, volumeHeight, slot, left, y, write, ...scene };
  const ticks = priceTicks(prices, floor - TOP);
  paintGrid(frame, ticks);
  paintTimes(frame);
  paintVolumes(frame);
  paintCandles(frame);
  paintLast(frame);
  if (scene.crosshair >= 0) paintCrosshair(frame);
  context.strokeStyle = colours.line;
  stroke(context, plotWidth, 0, plotWidth, height - BOTTOM);
  return { left, slot, plotWidth };
}

function range(candles) {
  const real = candles.filter(({ lost }) => !lost);
  let least = Math.min(...real.map(({ low }) => low));
  let most = Math.max(...real.map(({ high }) => high));
  if (!real.length) [least, most] = [0, 1];
  const air = (most - least) * 0.06 || Math.abs(most) * 0.001 || 1;
  return { least: least - air, most: most + air };
}

function priceTicks({ least, most }, height) {
  const rough = (most - least) / Math.max(2, height / 48);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.find((candidate) => candidate * power >= rough) * power;
  const ticks = [];
  for (let tick = Math.ceil(least / step) * step; tick < most; tick += step) ticks.push(tick);
  return ticks;
}

function paintGrid({ context, colours, plotWidth, y, write, candles, latest, crosshair }, ticks) {
  context.textAlign = "left";
  context.textBaseline = "middle";
  const taken = [latest, candles[crosshair]].filter((candle) => candle && !candle.lost).map(({ close }) => y(close));
  for (const tick of ticks) {
    context.strokeStyle = colours.grid;
    stroke(context, 0, y(tick), plotWidth, y(tick));
    if (taken.some((place) => Math.abs(place - y(tick)) < LABEL)) continue;
    context.fillStyle = colours.muted;
    context.fillText(write(tick), plotWidth + 9, y(tick));
  }
}

function paintTimes({ context, colours, candles, left, slot, height, plotWidth }) {
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  context.fillStyle = colours.muted;
  const long = candles.length > 1 && candles[1].at - candles[0].at >= DAY_MS;
  let free = 24;
  let said = "";
  candles.forEach(({ at }, index) => {
    const x = left(index) + slot / 2;
    if (x < free || x > plotWidth - 24) return;
    const date = day(at);
    context.fillText(long || date !== said ? date : clock(at), x, height - 7);
    [said, free] = [date, x + 84];
  });
}

function paintVolumes({ context, colours, candles, left, slot, height, volumeHeight }) {
  const most = Math.max(...candles.map(({ volume }) => volume || 0)) || 1;
  candles.forEach(({ volume, open, close }, index) => {
    const tall = ((volume || 0) / most) * volumeHeight;
    context.fillStyle = close >= open ? colours.upSoft : colours.downSoft;
    context.fillRect(left(index) + slot * 0.15, height - BOTTOM - tall, Math.max(1, slot * 0.7), tall);
  });
}

function paintCandles({ context, colours, candles, left, slot, y, floor }) {
  const wide = Math.max(1, Math.floor(slot * 0.7));
  candles.forEach(({ open, high, low, close, lost, fields }, index) => {
    const middle = Math.round(left(index) + slot / 2) + 0.5;
    if (lost) {
      context.fillStyle = colours.warn;
      context.fillRect(middle - wide / 2, floor - 3, wide, 3);
      return;
    }
    const rises = close >= open;
    const [top, bottom] = [y(Math.max(open, close)), y(Math.min(open, close))];
    context.strokeStyle = context.fillStyle = fields.source === "empty" ? colours.muted : rises ? colours.up : colours.down;
    stroke(context, middle, y(high), middle, top);
    stroke(context, middle, bottom, middle, y(low));
    const edge = Math.round(middle - wide / 2);
    // Rising ones are hollow: colour is not the only thing that tells them apart.
    if (rises && wide >= HOLLOW_FROM) context.strokeRect(edge + 0.5, Math.round(top) + 0.5, wide - 1, Math.max(0, Math.round(bottom - top) - 1));
    else context.fillRect(edge, Math.round(top), wide, Math.max(1, Math.round(bottom - top)));
  });
}

function paintLast(frame) {
  const last = frame.latest;
  if (!last || last.lost) return;
  const { context, colours, plotWidth, y, floor } = frame;
  const at = y(last.close);
  if (at < 0 || at > floor) return;
  const colour = last.close >= last.open ? colours.up : colours.down;
  context.strokeStyle = colour;
  context.setLineDash([2, 4]);
  stroke(context, 0, at, plotWidth, at);
  context.setLineDash([]);
  tag(frame, last.fields.close, at, colour);
}

function paintCrosshair(frame) {
  const { context, colours, candles, crosshair, left, slot, height, y } = frame;
  const { at, close, lost, fields } = candles[crosshair];
  const x = left(crosshair) + slot / 2;
  context.strokeStyle = colours.muted;
  context.setLineDash([3, 3]);
  stroke(context, x, 0, x, height - BOTTOM);
  if (!lost) stroke(context, 0, y(close), frame.plotWidth, y(close));
  context.setLineDash([]);
  if (!lost) tag(frame, fields.close, y(close), colours.text);
  const words = `${day(at)} ${clock(at)}`;
  const wide = context.measureText(words).width + 12;
  const from = Math.min(Math.max(0, x - wide / 2), frame.plotWidth - wide);
  context.fillStyle = colours.text;
  context.fillRect(from, height - BOTTOM + 3, wide, BOTTOM - 4);
  context.fillStyle = colours.surface;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.fillText(words, from + 6, height - 7);
}

function tag({ context, colours, plotWidth, width }, words, at, colour) {
  context.fillStyle = colour;
  context.fillRect(plotWidth + 1, at - 9, width - plotWidth - 1, 18);
  context.fillStyle = colours.surface;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(words, plotWidth + 9, at + 0.5);
}

function stroke(context, fromX, fromY, toX, toY) {
  const [x1, y1, x2, y2] = [fromX, fromY, toX, toY].map((place) => Math.floor(place) + 0.5);
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
