import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "../fanout/clients/crowd.ts";
import { get, type Greeting } from "../fanout/clients/greeting.ts";
import { startLineServer, type Server } from "../fanout/servers/server.ts";
import { whenCounted } from "../fanout/trials/trial.ts";

/** The clients that connect before the crowd's patience begins anew. */
const AT_A_TIME = 3000;

/** Starts server.ts with so many topics on a core. */
export async function startTopics(topics: number, core: number): Promise<Server> {
  const script = fileURLToPath(new URL("server.ts", import.meta.url));
  return startLineServer([process.execPath, "--expose-gc", script, String(topics)], core);
}

/** The clients of one server, each of which follows one topic, and the flushes that reach them. */
export class Followers {
  readonly #server: Server;
  readonly #topicOf: (client: number) => number;
  readonly #crowd = new Crowd();
  readonly #greeting: Greeting;
  /** The clients of each topic. */
  readonly #perTopic: number[] = [];
  #connected = 0;

  /** @param topicOf The number of the topic that a client follows. */
  constructor(server: Server, topicOf: (client: number) => number) {
    this.#server = server;
    this.#topicOf = topicOf;
    this.#greeting = { request: () => this.#nextRequest(), steps: get("/", "").steps };
  }

  /** Connects until there are so many clients, and waits until the server counts them. */
  async growTo(connections: number): Promise<void> {
    while (this.#connected < connections) {
      const more = Math.min(AT_A_TIME, connections - this.#connected);
      await this.#crowd.connect(more, this.#server.port, this.#greeting);
    }
    await whenCounted(this.#server, connections);
  }

  /** The number of clients of the first `topics` topics. */
  subscribersOf(topics: number): number {
    return this.#perTopic.slice(0, topics).reduce((sum, count) => sum + count, 0);
  }

  /**
   * Publishes one message to each of the first `topics` topics, in one turn, and waits until their clients have them all.
   *
   * @param intervalMs The least time in milliseconds from this flush to the next.
   */
  async flush(topics: number, bytes: number, intervalMs: number): Promise<void> {
    const start = performance.now();
    const expected = this.#crowd.messages + this.subscribersOf(topics);
    this.#server.publish(topics, bytes, 0);
    await this.#crowd.until(expected);
    await sleep(Math.max(1, intervalMs - (performance.now() - start)));
  }

  /** The number of messages that each client has received. */
  received(): readonly number[] {
    return this.#crowd.clients.map(({ received }) => received);
  }

  /** @throws {Error} if a client has not received one message for each flush that reached its topic since `before`. */
  check(before: readonly number[], flushes: readonly { readonly topics: number }[]): void {
    for (const [client, received] of this.received().entries()) {
      const topic = this.#topicOf(client);
      const expected = flushes.filter(({ topics }) => topic < topics).length;
      const got = received - (before[client] ?? 0);
      if (got !== expected) throw new Error(`Client ${client} received ${got} messages, not ${expected}.`);
    }
  }

  #nextRequest(): string {
    const topic = this.#topicOf(this.#connected);
    this.#connected += 1;
    this.#perTopic[topic] = (this.#perTopic[topic] ?? 0) + 1;
    return get(`/live?topic=t${topic}&wire=sse`, "text/event-stream").request();
  }
}
