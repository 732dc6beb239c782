// What happened to the bridge, newest first.

import { byId } from "./dom.js";
import { moment } from "./format.js";
import { Table } from "./table.js";

const BAD = new Set(["lost", "login_refused", "topic_rejected", "overflow", "gap_found", "contradiction", "store_lost", "store_full", "entry_refused", "mute", "incomplete", "no_room"]);
const ODD = new Set(["history_skipped", "unproven", "member_lost"]);

export class Events {
  constructor(model) {
    this.model = model;
    this.table = new Table({
      caption: "Events, newest first",
      key: ({ id }) => id,
      empty: "Nothing has happened yet.",
      columns: [
        { title: "Time (UTC)", text: (row) => moment(row.received_at) },
        { title: "Event", free: true, text: ({ event }) => String(event).replaceAll("_", " "), long: true, mark: ({ event }) => (BAD.has(event) ? "bad" : ODD.has(event) ? "warn" : "plain") },
        { title: "Subject", free: true, long: true, text: ({ subject }) => subject || "–" },
        { title: "In words", wide: true, text: ({ text }) => text },
        { title: "Ingester", long: true, text: ({ ingester }) => ingester || "–" },
      ],
    });
    byId("events").append(this.table.element);
  }

  draw() {
    this.table.show([...this.model.events].reverse());
  }
}
