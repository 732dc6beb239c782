// The candles of one symbol and timeframe, joined of two streams: those that are proven win over what the socket showed.

const MOST = 700;
const SAMPLES = 50;

export class Candles {
  constructor() {
    this.known = new Map();
    this.delays = [];
    this.sorted = null;
  }

  /** Take an entry of the closed stream (`closed`) or of the live one (`kline`). */
  take(event, { id, fields }) {
    if (fields.type !== "kline") return;
    const proven = event === "closed";
    const at = Number(fields.open_time);
    if (!proven) this.measure(id, fields);
    if (!proven && this.known.get(at)?.proven) return;
    this.known.set(at, candle(fields, at, proven));
    this.sorted = null;
    if (this.known.size > MOST) this.forget();
  }

  /** All of them, oldest first. */
  list() {
    this.sorted ??= [...this.known.values()].sort((one, other) => one.at - other.at);
    return this.sorted;
  }

  /** Milliseconds from receipt to the stream, the median of the newest entries; NaN without any. */
  delay() {
    const ordered = [...this.delays].sort((one, other) => one - other);
    return ordered.length ? ordered[Math.floor(ordered.length / 2)] : NaN;
  }

  measure(id, fields) {
    this.delays.push(Number(id.split("-")[0]) - Number(fields.received_at));
    if (this.delays.length > SAMPLES) this.delays.shift();
  }

  forget() {
    const oldest = this.list().slice(0, this.known.size - MOST);
    oldest.forEach(({ at }) => this.known.delete(at));
    this.sorted = null;
  }
}

// Numbers are for drawing only; `fields` is what is shown.
function candle(fields, at, proven) {
  const [open, high, low, close, volume] = ["open", "high", "low", "close", "volume"].map((name) =>
    fields[name] === "" ? NaN : Number(fields[name]),
  );
  return { at, open, high, low, close, volume, proven, fields, lost: Number.isNaN(close) };
}

/** What is known of a candle, in words. */
export function standing({ fields, proven, lost }) {
  if (lost) return "lost: the exchange has it no more";
  if (fields.source === "empty") return "closed, nothing was traded";
  if (proven) return fields.source === "rest" ? "closed, proven by REST" : "closed, by the socket's word";
  return fields.closed === "1" ? "closed, not proven yet" : "under way";
}

/** The longest fraction among some prices, for an axis that is as fine as the exchange's own figures. */
export function decimals(candles) {
  const places = candles.map(({ fields }) => (fields.close.split(".")[1] ?? "").length);
  return Math.min(8, Math.max(0, ...places));
}
