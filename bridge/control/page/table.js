// A table whose rows stay the same elements while their cells change: nothing jumps, and the focus stays where it is.

import { el, mark, say } from "./dom.js";
import { byName, count } from "./format.js";


export class Table {
  /**
   * @param caption what it holds, for who can't see it.
   * @param columns each `{title, text(row)}`, and as needed `sort(row)`, `mark(row)` (the cell's `data-mark`), `numeric`, `wide`
   *   (takes what room there is), `free` (text of any length), `long` (a line of its own on a phone),
   *   `build(key)` (an element, made once for each row, instead of text).
   * @param key what tells rows apart.
   * @param empty what is said when there are none.
   * @param most how many rows are shown until all are asked for.
   * @param sorted `{column, down}` to begin with; without it rows stay as they come.
   */
  constructor({ caption, columns, key, empty, most = 15, sorted = null }) {
    this.columns = columns;
    this.key = key;
    this.most = most;
    this.sorted = sorted;
    this.rows = [];
    this.lines = new Map();
    this.all = false;
    this.heads = columns.map((column, place) => this.head(column, place));
    this.body = el("tbody", { role: "rowgroup" });
    const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...this.heads));
    this.table = el("table", { role: "table" }, el("caption", { class: "unseen", text: caption }), head, this.body);
    this.empty = el("p", { class: "empty", text: empty });
    this.more = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.showAll() });
    this.element = el("div", { class: "table", "aria-label": caption }, this.table, this.empty, this.more);
  }

  show(rows) {
    this.rows = rows;
    this.draw();
  }

  draw() {
    const ordered = this.ordered();
    const shown = this.all ? ordered : ordered.slice(0, this.most);
    this.table.hidden = !ordered.length;
    this.empty.hidden = Boolean(ordered.length);
    this.more.hidden = shown.length === ordered.length;
    say(this.more, `Show all ${count(ordered.length)}`);
    const kept = new Set();
    let place = this.body.firstElementChild;
    for (const row of shown) {
      const key = this.key(row);
      kept.add(key);
      const line = this.line(key, row);
      if (line === place) place = place.nextElementSibling;
      else this.body.insertBefore(line, place);
    }
    for (const [key, line] of this.lines) {
      if (kept.has(key)) continue;
      line.remove();
      this.lines.delete(key);
    }
    // What is wider than its place can be scrolled, by keys as well.
    const wider = this.element.scrollWidth > this.element.clientWidth;
    mark(this.element, "tabindex", wider ? "0" : "");
    mark(this.element, "role", wider ? "region" : "group");
  }

  line(key, row) {
    let line = this.lines.get(key);
    if (!line) {
      line = el("tr", { role: "row" }, ...this.columns.map((column) => this.cell(column, key)));
      this.lines.set(key, line);
    }
    this.columns.forEach((column, place) => {
      const cell = line.children[place];
      if (column.text) say(cell, column.text(row));
      if (column.mark) mark(cell, "data-mark", column.mark(row));
    });
    return line;
  }

  cell(column, key) {
    const kind = [column.numeric && "numeric", column.wide && "wide", column.long && "long", column.free && "free"].filter(Boolean).join(" ");
    const cell = el("td", { role: "cell", class: kind || null, "data-label": column.title });
    if (column.build) cell.append(column.build(key));
    return cell;
  }

  head(column, place) {
    const head = el("th", { role: "columnheader", scope: "col", class: column.numeric ? "numeric" : null });
    if (column.sort) head.append(el("button", { type: "button", text: column.title, onclick: () => this.sort(place) }));
    else head.append(el("span", { class: column.build ? "unseen" : null, text: column.title }));
    this.tellSort(head, place);
    return head;
  }

  sort(place) {
    this.sorted = { column: place, down: this.sorted?.column === place && !this.sorted.down };
    this.heads.forEach((head, other) => this.tellSort(head, other));
    this.draw();
  }

  tellSort(head, place) {
    const here = this.sorted?.column === place;
    mark(head, "aria-sort", here ? (this.sorted.down ? "descending" : "ascending") : null);
  }

  ordered() {
    if (!this.sorted) return this.rows;
    const { sort } = this.columns[this.sorted.column];
    const way = this.sorted.down ? -1 : 1;
    const keyed = this.rows.map((row) => [sort(row), row]);
    return keyed.sort(([one], [other]) => way * compared(one, other)).map(([, row]) => row);
  }

  showAll() {
    this.all = true;
    this.draw();
  }
}

function compared(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return byName(String(one), String(other));
}
