// Times, ages and counts in words. Prices and sizes are never touched: they are shown as they came.

const pad = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** UTC milliseconds as a date and a time; what is no time is shown as it is. */
export function moment(ms) {
  const at = new Date(Number(ms));
  if (!Number(ms) || Number.isNaN(at.getTime())) return String(ms || "");
  return at.toISOString().slice(0, 19).replace("T", " ");
}

export function clock(ms) {
  const at = new Date(ms);
  return `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
}

export function day(ms) {
  const at = new Date(ms);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

/** A span of milliseconds in its largest unit. */
export function span(ms) {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** How old something is; below a second that is just now. */
export function age(ms) {
  return ms < 1_000 ? "now" : span(ms);
}

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export function count(number) {
  return Number.isFinite(number) ? grouped.format(number) : "–";
}

export function rate(number) {
  if (!Number.isFinite(number)) return "–";
  return number < 10 ? fine.format(number) : grouped.format(number);
}

/** Order texts as people do, 5m before 15m; a whole market has thousands, and a collator of one's own is fast. */
export const byName = new Intl.Collator("en", { numeric: true }).compare;

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
