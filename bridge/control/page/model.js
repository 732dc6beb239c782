// What the page knows, made of what the line brings.

const MOST = 200;
const NAMES = new Set(["id", "host", "version"]);
const WHOLE = /^-?\d{1,15}$/;

export class Model {
  constructor() {
    this.overview = null;
    this.before = null;
    this.heardAt = 0;
    this.reset();
  }

  /** Forget what the line will bring anew. */
  reset() {
    this.topics = new Map();
    this.orders = new Map();
    this.fills = [];
    this.events = [];
  }

  /** Take a message; return the name of the part of the page that it changes. */
  take(event, message) {
    if (event === "overview") return this.takeOverview(message);
    if (event === "topics") return this.takeTopics(message);
    if (event === "order") return this.takeOrder(message);
    if (event === "fill") return this.log("fills", message);
    if (event === "event") return this.log("events", message);
    return "";
  }

  /** The bridge's time in milliseconds, as far as it is known: ages don't depend on this computer's clock. */
  now() {
    return this.overview ? this.overview.now + (performance.now() - this.heardAt) : Date.now();
  }

  /** How much a figure of an ingester grows in a second, NaN before two looks at it. */
  rate(name, figure) {
    const [now, before] = [this.overview, this.before].map((seen) => seen?.ingesters.find(({ id }) => id === name));
    const seconds = (this.overview?.now - this.before?.now) / 1_000;
    const grown = now?.[figure] - before?.[figure];
    return now?.started === before?.started && grown >= 0 && seconds > 0 ? grown / seconds : NaN;
  }

  takeOverview(overview) {
    overview.ingesters = overview.ingesters.map(numbered);
    this.before = this.overview;
    this.overview = overview;
    this.heardAt = performance.now();
    return "overview";
  }

  takeTopics({ whole, changed, gone }) {
    if (whole) this.topics = new Map();
    for (const [name, topic] of Object.entries(changed)) this.topics.set(name, { name, ...topic });
    for (const name of gone) this.topics.delete(name);
    return "topics";
  }

  takeOrder({ fields }) {
    if (fields.type !== "order") return "";
    this.orders.delete(fields.order_id);
    this.orders.set(fields.order_id, fields);
    if (this.orders.size > 2 * MOST) this.forgetOrders();
    return "orders";
  }

  forgetOrders() {
    for (const [id, order] of this.orders) {
      if (this.orders.size <= MOST) return;
      if (isOver(order)) this.orders.delete(id);
    }
  }

  log(part, { id, fields }) {
    if (fields.type === "resync") return "";
    this[part].push({ id, ...fields });
    if (this[part].length > MOST) this[part].shift();
    return part;
  }
}

// What an ingester says comes as text out of Redis; also what this page has never heard of may be a number.
function numbered(ingester) {
  const read = ([name, value]) => [name, !NAMES.has(name) && WHOLE.test(value) ? Number(value) : value];
  return Object.fromEntries(Object.entries(ingester).map(read));
}

export function isOver(order) {
  return order.status === "filled" || order.status === "canceled";
}
