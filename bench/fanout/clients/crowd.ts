import { setTimeout as sleep } from "node:timers/promises";
import type { Greeting, Http2Greeting } from "./greeting.ts";
import { Http2Pool } from "./http2-client.ts";
import type { Client, Tally } from "./reading.ts";
import { Sample } from "./sample.ts";
import { SocketClient } from "./socket-client.ts";

/** How long anything may take before a trial has failed. */
const PATIENCE_MS = 30_000;

/** The clients that get their ports from the system. It has 28,000, and needs longer to find one when half of them are taken. */
const UNBOUND = 10_000;
/** The clients of each further loopback address. A bound socket gets one of 7,000 ports, closed ones keep theirs for a minute. */
const PER_ADDRESS = 5000;

/** Many clients of one server, from several loopback addresses if they are more than 10,000. */
export class Crowd {
  readonly clients: Client[] = [];
  readonly #tally: Tally = { messages: 0, bytes: 0, onMessages: () => undefined };

  /** Messages that have come to all clients together. */
  get messages(): number {
    return this.#tally.messages;
  }

  /** Bytes that have come to all clients together, after their greetings. */
  get bytes(): number {
    return this.#tally.bytes;
  }

  /** Connects `count` clients, `atOnce` at a time. Rejects if one fails. */
  async connect(count: number, port: number, greeting: Greeting | Http2Greeting, atOnce = 100): Promise<void> {
    let left = count;
    const pool = new Http2Pool();
    const open = (): Client =>
      "path" in greeting
        ? pool.open(this.#tally, port, greeting)
        : new SocketClient(this.#tally, port, greeting, this.#nextAddress());
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const client = open();
        this.clients.push(client);
        await client.connected;
      }
    };
    await within(Promise.all(Array.from({ length: atOnce }, one)), "Not everybody could connect");
  }

  /** Lets `count` of the clients read what they get, evenly spread over all. */
  sample(count: number): readonly Sample[] {
    const every = Math.max(1, Math.floor(this.clients.length / count));
    return this.clients
      .filter((_, i) => i % every === Math.floor(every / 2))
      .map((client) => (client.sample = new Sample()));
  }

  /** Resolves once so many messages have come to all clients together. */
  async until(messages: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#tally.onMessages = () => {
      if (this.#tally.messages >= messages) resolve(undefined);
    };
    this.#tally.onMessages();
    await within(promise, () => `Only ${this.#tally.messages} of ${messages} messages came`);
  }

  /** @throws Error if any client has not had exactly so many messages. */
  check(messages: number): void {
    const other = this.clients.find(({ received }) => received !== messages);
    if (other !== undefined) throw new Error(`A client has had ${other.received} messages, not ${messages}.`);
  }

  /** The address of the next client; undefined if it is not bound to one. */
  #nextAddress(): string | undefined {
    const bound = this.clients.length - UNBOUND;
    return bound < 0 ? undefined : `127.0.0.${2 + Math.floor(bound / PER_ADDRESS)}`;
  }

  destroy(): void {
    for (const client of this.clients) client.destroy();
  }
}

async function within<T>(promise: Promise<T>, complaint: string | (() => string)): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(PATIENCE_MS, undefined, { signal: timeout.signal }).then((): never => {
    throw new Error(`${typeof complaint === "string" ? complaint : complaint()} within ${PATIENCE_MS} ms.`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timeout.abort();
    late.catch(() => undefined);
  }
}
