// The account: what is held, what is ordered, what was traded. Figures are the exchange's own strings.

import { byId } from "./dom.js";
import { moment } from "./format.js";
import { isOver } from "./model.js";
import { Table } from "./table.js";

const number = (title, name, long = false) => ({ title, long, numeric: true, text: (row) => row[name] || "–", sort: (row) => Number(row[name]) || 0 });
const word = (title, name) => ({ title, free: name === "symbol", text: (row) => (row[name] || "–").replaceAll("_", " "), sort: (row) => row[name] });
const side = (name = "side") => ({ ...word("Side", name), mark: (row) => row[name] });
const time = (title, name) => ({ title, long: true, text: (row) => moment(row[name]) || "–", sort: (row) => Number(row[name]) || 0 });

export class Account {
  constructor(model) {
    this.model = model;
    this.positions = new Table({
      caption: "Open positions",
      key: (row) => `${row.symbol} ${row.side}`,
      empty: "No open position.",
      sorted: { column: 0, down: false },
      columns: [
        word("Symbol", "symbol"),
        side(),
        number("Size", "size"),
        number("Average price", "average_price", true),
        number("Liquidation", "liquidation_price"),
        word("Margin", "margin_mode"),
        time("Updated (UTC)", "updated_at"),
      ],
    });
    this.orders = new Table({
      caption: "Orders, open ones and those that changed last",
      key: ({ order_id }) => order_id,
      empty: "No order yet.",
      columns: [
        word("Symbol", "symbol"),
        side(),
        { ...word("Status", "status"), mark: (row) => (isOver(row) ? "over" : "open") },
        word("Type", "order_type"),
        number("Price", "price"),
        number("Size", "size"),
        number("Filled", "filled_size"),
        time("Updated (UTC)", "updated_at"),
      ],
    });
    this.fills = new Table({
      caption: "Fills, newest first",
      key: ({ id }) => id,
      empty: "No fill yet.",
      columns: [
        time("Traded (UTC)", "traded_at"),
        word("Symbol", "symbol"),
        side(),
        number("Price", "price"),
        number("Size", "size"),
        { title: "Fee", numeric: true, long: true, text: (row) => [row.fee, row.fee_currency].filter(Boolean).join(" ") || "–" },
      ],
    });
    for (const name of ["positions", "orders", "fills"]) byId(name).append(this[name].element);
  }

  drawPositions() {
    this.positions.show(this.model.overview?.positions ?? []);
  }

  drawOrders() {
    const newest = [...this.model.orders.values()].reverse();
    this.orders.show([...newest.filter((order) => !isOver(order)), ...newest.filter(isOver)]);
  }

  drawFills() {
    this.fills.show([...this.model.fills].reverse());
  }
}
