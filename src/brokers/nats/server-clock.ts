import { serverTime } from "./consumer.ts";
import type { Link } from "./link.ts";
import type { Settings } from "./options.ts";
import { streamInfo } from "./stream.ts";

/** A smaller difference is none: a clock of milliseconds does not tell. */
const LEAST_MS = 2;

/**
 * The server's clock, as this process knows it: its own, and how much that is wrong. A difference that is smaller than what it took to
 * measure it counts as none. It never goes back.
 */
export class ServerClock {
  readonly #settings: Settings;
  readonly #subject: string;
  #skewMs = 0;
  #newest = 0;

  /** @param subject A subject without messages. */
  constructor(settings: Settings, subject: string) {
    this.#settings = settings;
    this.#subject = subject;
  }

  now(): number {
    return (this.#newest = Math.max(this.#newest, Math.round(Date.now() + this.#skewMs)));
  }

  /**
   * Asks the server. One of a cluster does not tell before nats-server 2.10: there all clocks must be right, as they must in a cluster
   * anyway.
   */
  async set(link: Link): Promise<void> {
    let before = Date.now();
    const { ts: told, config } = await streamInfo(link, this.#settings);
    let ts = told;
    if (ts === undefined) {
      if ((config.num_replicas ?? 1) > 1) return;
      before = Date.now();
      ts = await serverTime(link, this.#settings, this.#subject);
    }
    const after = Date.now();
    const skewMs = Date.parse(ts) - (before + after) / 2;
    this.#skewMs = Math.abs(skewMs) <= after - before + LEAST_MS ? 0 : skewMs;
  }
}
