// Print a symbol's closed candles: `node candles.js BTCUSDT 1m`, after `npm install` in this folder.
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "redis";

const [symbol, timeframe] = process.argv.slice(2);
if (!timeframe) {
  console.error("usage: node candles.js SYMBOL TIMEFRAME, such as BTCUSDT 1m");
  process.exit(1);
}
const stream = `${process.env.BRIDGE_PREFIX ?? "bitmart"}:klines:{${symbol}}:${timeframe}:closed`;
const client = createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6390/0" });
client.on("error", (trouble) => console.error(`waiting: ${trouble.message || trouble.code}`));
await client.connect();

let after = "0-0"; // What is still kept comes first; "$" would miss what is written between two reads.
for (;;) {
  let reply;
  try {
    reply = await client.xRead({ key: stream, id: after }, { BLOCK: 5000, COUNT: 500 });
  } catch (trouble) {
    console.error(`waiting: ${trouble.message}`); // The client connects again by itself.
    await pause(500);
    continue;
  }
  for (const { id, message } of reply?.[0]?.messages ?? []) {
    const start = new Date(Number(message.open_time)).toISOString().slice(0, 16).replace("T", " ");
    console.log(start, message.close || "lost", message.volume || "-"); // Decimals: parse them as such, not as floats.
    after = id;
  }
}
