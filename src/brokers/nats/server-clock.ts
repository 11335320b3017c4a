import { consumerName, createConsumer, deleteConsumer, streamInfo } from "./jetstream-api.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import type { NatsLink } from "./nats-link.ts";

/** A smaller difference counts as none: it is within the resolution of a clock of milliseconds. */
const MIN_SKEW_MS = 2;

/**
 * The server's clock: this process's own, corrected by its measured skew. A skew that is smaller than the error of the measurement
 * counts as none. The clock never goes back, since the times of messages must grow with their offsets.
 */
export class ServerClock {
  readonly #settings: NatsSettings;
  readonly #subject: string;
  #skewMs = 0;
  #newest = 0;

  /** @param subject A subject without messages. */
  constructor(settings: NatsSettings, subject: string) {
    this.#settings = settings;
    this.#subject = subject;
  }

  /** The time in milliseconds since 1970. */
  now(): number {
    return (this.#newest = Math.max(this.#newest, Math.round(Date.now() + this.#skewMs)));
  }

  /**
   * Measures the skew. A cluster before nats-server 2.10 does not return its time: there the skew stays 0, and all clocks must be right,
   * as the servers of a cluster need anyway.
   */
  async synchronize(link: NatsLink): Promise<void> {
    let before = Date.now();
    const { ts: time, config } = await streamInfo(link, this.#settings);
    let ts = time;
    if (ts === undefined) {
      if ((config.num_replicas ?? 1) > 1) return;
      before = Date.now();
      ts = await this.#timeOfConsumer(link);
    }
    const after = Date.now();
    const skewMs = Date.parse(ts) - (before + after) / 2;
    if (!Number.isFinite(skewMs)) return;
    this.#skewMs = Math.abs(skewMs) <= after - before + MIN_SKEW_MS ? 0 : skewMs;
  }

  /** The server's time, out of a consumer that is created and deleted: before nats-server 2.10 no other answer has it. */
  async #timeOfConsumer(link: NatsLink): Promise<string> {
    const name = consumerName();
    const { created } = await createConsumer(link, this.#settings, name, this.#subject, { deliver_policy: "new" });
    deleteConsumer(link, this.#settings, name);
    return created;
  }
}
