// A line to the bridge that brings what happens, and comes back by itself. EventSource can't show a token; fetch can.

import { ask } from "./api.js";

// The bridge sends a heartbeat every 10 s.
const SILENCE_MS = 30_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

export class Line {
  /**
   * @param {string} path where to read.
   * @param listener `opened()`, `heard(event, message)`, `lost(trouble, waitMs)`, `refused(trouble)`: after the last
   *   one nothing more is tried until `start`.
   */
  constructor(path, listener) {
    this.path = path;
    this.listener = listener;
    this.life = null;
    this.hurry = () => {};
  }

  start() {
    this.stop();
    this.life = new AbortController();
    this.run(this.life.signal);
  }

  stop() {
    this.life?.abort();
    this.hurry();
  }

  /** Try again now instead of after the wait. */
  retry() {
    this.hurry();
  }

  async run(signal) {
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      let trouble = new Error("The line to the bridge ended.");
      try {
        await this.read(signal, () => (waitMs = FIRST_WAIT_MS));
      } catch (error) {
        trouble = error;
      }
      if (signal.aborted) return;
      if (trouble.wantsToken) {
        this.listener.refused(trouble);
        return;
      }
      // Some chance in it, so that all pages don't come back in the same moment.
      const thisWaitMs = waitMs * (0.7 + Math.random() * 0.6);
      this.listener.lost(trouble, thisWaitMs);
      await this.pause(thisWaitMs);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  async read(signal, onOpen) {
    const silence = new Silence(SILENCE_MS);
    try {
      const response = await ask(this.path, { signal: AbortSignal.any([signal, silence.signal]) });
      onOpen();
      this.listener.opened();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        silence.heard();
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        parts.forEach((part) => this.tell(part));
      }
    } catch (error) {
      if (silence.signal.aborted) throw new Error("The line to the bridge fell silent.");
      throw error.status === undefined ? new Error("The line to the bridge broke.") : error;
    } finally {
      silence.end();
    }
  }

  tell(part) {
    let event = "";
    let data = "";
    for (const line of part.split("\n")) {
      if (line.startsWith("event: ")) event = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (event && data) this.listener.heard(event, JSON.parse(data));
  }

  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A signal that aborts when nothing is heard for too long. */
class Silence {
  constructor(ms) {
    this.ms = ms;
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    this.heard();
  }

  heard() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(), this.ms);
  }

  end() {
    clearTimeout(this.timer);
  }
}
