// The page put together: one line brings what happens, the model takes it, and each part draws what changed of its own.

import { Access } from "./access.js";
import { Account } from "./account.js";
import { Banner } from "./banner.js";
import { byId, mark, say } from "./dom.js";
import { Events } from "./events.js";
import { moment } from "./format.js";
import { Ingesters } from "./ingesters.js";
import { Line } from "./line.js";
import { Market } from "./market.js";
import { Model } from "./model.js";
import { Summary } from "./summary.js";
import { startTheme } from "./theme.js";
import { Topics } from "./topics.js";
import { Wishes } from "./wishes.js";

const TICK_MS = 1_000;

class Page {
  constructor() {
    startTheme();
    this.model = new Model();
    this.access = new Access(() => this.begin());
    this.banner = new Banner(() => this.line.retry());
    this.summary = new Summary(this.model);
    this.market = new Market();
    this.wishes = new Wishes(this.model, (refusal) => this.refused(refusal));
    this.ingesters = new Ingesters(this.model, (id) => this.wishes.stop(id));
    this.topics = new Topics(this.model, { chart: (topic) => this.chart(topic), unsubscribe: (topic) => this.wishes.unsubscribe(topic) });
    this.account = new Account(this.model);
    this.events = new Events(this.model);
    this.stale = new Set();
    this.fresh = false;
    this.line = new Line("live", this);
    setInterval(() => this.tick(), TICK_MS);
    this.tick();
    this.begin();
  }

  begin() {
    this.banner.connecting();
    this.market.stop();
    this.line.start();
  }

  // What the line says.

  opened() {
    this.fresh = true;
    this.access.granted();
    this.draw("orders", "fills", "events");
  }

  heard(event, message) {
    if (this.fresh) this.model.reset();
    this.fresh = false;
    const part = this.model.take(event, message);
    if (part) this.draw(part);
  }

  lost(trouble, waitMs) {
    this.access.granted();
    this.banner.lost(trouble, waitMs);
  }

  refused(refusal) {
    this.line.stop();
    this.market.stop();
    this.banner.refused();
    this.access.ask(refusal);
  }

  // What is drawn: once for each frame of the screen, however much has come.

  draw(...parts) {
    parts.forEach((part) => this.stale.add(part));
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      const stale = this.stale;
      this.stale = new Set();
      stale.forEach((part) => this.paint(part));
    });
  }

  paint(part) {
    if (part === "overview") this.paintOverview();
    else if (part === "topics") this.paintTopics();
    else if (part === "orders") this.account.drawOrders();
    else if (part === "fills") this.account.drawFills();
    else if (part === "events") this.events.draw();
  }

  paintOverview() {
    const { overview } = this.model;
    this.banner.live(overview.paused);
    const environment = byId("environment");
    environment.hidden = false;
    say(environment, `${overview.exchange} ${overview.environment}`);
    mark(environment, "data-mark", overview.environment === "live" ? "" : "warn");
    say(byId("version"), `bitmart-bridge ${overview.version}`);
    this.summary.draw();
    this.ingesters.draw();
    this.wishes.draw();
    this.account.drawPositions();
  }

  paintTopics() {
    this.topics.draw();
    this.summary.draw();
    this.wishes.draw();
    this.market.offer(this.model.topics);
  }

  chart({ symbol, timeframe }) {
    this.market.choose(`${symbol} ${timeframe}`);
    byId("chart").scrollIntoView();
    this.market.select.focus();
  }

  tick() {
    say(byId("clock"), moment(this.model.now()));
    if (!byId("content").hidden) this.topics.draw();
  }
}

new Page();
