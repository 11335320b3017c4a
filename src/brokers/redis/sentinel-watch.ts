import { Backoff } from "../../core/backoff.ts";
import { CometError, describe } from "../../core/errors.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import { assertServerClient } from "./assert-client.ts";
import { copyClient, destroy, type RedisAddress, type RedisClient } from "./redis-client.ts";
import type { RedisSentinelSettings } from "./redis-sentinel-options.ts";
import { brokerError, textOf } from "./replies.ts";

/** The channel on which a sentinel announces another master. */
const SWITCHES = "+switch-master";
/** The bounds of the delay before a lost connection to a sentinel is replaced, in milliseconds. */
const RETRY = { firstMs: 100, maxMs: 5000 };

/**
 * Finds the master through the sentinels, and reports when they name another one. It keeps one connection to a sentinel, and replaces it
 * when it breaks. A sentinel is asked only after the subscription, so that no move between the two is missed; the question has a
 * connection of its own, since a subscribed connection of the older protocol takes no other commands.
 */
export class SentinelWatch {
  readonly #settings: RedisSentinelSettings;
  readonly #onMoved: (error: CometError) => void;
  readonly #backoff = new Backoff(RETRY);
  readonly #clients = new Set<RedisClient>();
  #master: string | undefined;
  #retry: Timer | undefined;
  #isClosed = false;

  /** @param onMoved Called when a sentinel names another master than the one that was found. Possibly more than once. */
  constructor(settings: RedisSentinelSettings, onMoved: (error: CometError) => void) {
    this.#settings = settings;
    this.#onMoved = onMoved;
  }

  /**
   * Asks the sentinels in turn for the master's address, and watches the one that answers.
   *
   * @throws {CometError} `ERR_BROKER` if none can be reached; `ERR_BROKER_CONFIG` if those that are reached refuse, or do not know the
   *   name.
   */
  async find(): Promise<RedisAddress> {
    const { name, nodes } = this.#settings;
    const errors: CometError[] = [];
    for (const node of [...nodes]) {
      try {
        const master = await this.#ask(node);
        nodes.splice(nodes.indexOf(node), 1);
        nodes.unshift(node);
        return master;
      } catch (error) {
        if (this.#isClosed) throw new CometError("ERR_BROKER", "The connection to Redis is closed.");
        const reason = brokerError("answer", error);
        if (reason.code === "ERR_OPTION") throw reason;
        errors.push(new CometError(reason.code, `${textOfAddress(node)}: ${reason.message}`, { cause: error }));
      }
    }
    const isRefused = errors.some(({ code }) => code === "ERR_BROKER_CONFIG");
    throw new CometError(
      isRefused ? "ERR_BROKER_CONFIG" : "ERR_BROKER",
      `No sentinel names the master ${name}. ${errors.map(({ message }) => message).join(" ")}`,
      { cause: new AggregateError(errors) },
    );
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const client of this.#clients) destroy(client);
    this.#clients.clear();
  }

  async #ask(node: RedisAddress): Promise<RedisAddress> {
    const { name, answerMs } = this.#settings;
    let announced: RedisAddress | undefined;
    let isWatching = false;
    let isBroken = false;
    let reject: (error: unknown) => void = () => undefined;
    const failure = new Promise<never>((_, rejectFailure) => (reject = rejectFailure));
    failure.catch(() => undefined);
    const fail = (error: unknown = new Error("the connection has ended")): void => {
      isBroken = true;
      if (isWatching) this.#lose(listening);
      else reject(error);
    };
    const listening = this.#copy(node, fail);
    const asking = this.#copy(node, (error = new Error("the connection has ended")) => reject(error));
    const timer = unrefTimeout(() => fail(new Error(`no answer within ${Math.round(answerMs)} ms`)), answerMs);
    const work = async (): Promise<unknown> => {
      await Promise.all([listening.connect(), asking.connect()]);
      await listening.subscribe([SWITCHES], (message) => {
        const to = switchOf(textOf(message), name);
        if (to === undefined) return;
        announced = to;
        if (isWatching) this.#compare(to);
      });
      return await asking.sendCommand(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]);
    };
    try {
      const working = work();
      working.catch(() => undefined);
      const answer = await Promise.race([working, failure]);
      // The answer may have been overtaken by an announcement, which is never older.
      const master = announced ?? addressOf(answer, name);
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may have broken after the answer
      if (isBroken) return await failure;
      this.#compare(master);
      isWatching = true;
      return master;
    } finally {
      clearTimeout(timer);
      this.#remove(asking);
      if (!isWatching) this.#remove(listening);
    }
  }

  /** Notes the master, and reports it if another one was found before. */
  #compare({ host, port }: RedisAddress): void {
    const address = textOfAddress({ host, port });
    this.#master ??= address;
    if (this.#isClosed || address === this.#master) return;
    const message = `The master ${this.#settings.name} has moved from ${this.#master} to ${address}.`;
    this.#onMoved(new CometError("ERR_BROKER", message));
  }

  /** Replaces a connection that was watched. */
  #lose(client: RedisClient): void {
    if (this.#isClosed || !this.#clients.has(client)) return;
    this.#remove(client);
    this.#watchLater();
  }

  #watchLater(): void {
    this.#retry = unrefTimeout(() => {
      this.find().then(
        () => this.#backoff.reset(),
        () => {
          if (!this.#isClosed) this.#watchLater();
        },
      );
    }, this.#backoff.next());
  }

  #copy(node: RedisAddress, onEnd: (error?: unknown) => void): RedisClient {
    if (this.#isClosed) throw new CometError("ERR_BROKER", "The connection to Redis is closed.");
    const client = createCopy("sentinel.createSentinelClient", this.#settings.createSentinelClient, node);
    client.on("error", onEnd);
    client.on("end", onEnd);
    this.#clients.add(client);
    return client;
  }

  #remove(client: RedisClient): void {
    this.#clients.delete(client);
    destroy(client);
  }
}

/** Calls an option that creates a client, and copies the client. @throws {CometError} `ERR_OPTION` if it creates none. */
export function createCopy(
  option: string,
  create: (address: RedisAddress) => RedisClient,
  address: RedisAddress,
): RedisClient {
  let client: unknown;
  try {
    client = create({ ...address });
  } catch (error) {
    throw new CometError("ERR_OPTION", `${option} has failed: ${String(error)}`, { cause: error });
  }
  return copyClient(assertServerClient(`The result of ${option}`, client));
}

export function textOfAddress({ host, port }: RedisAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The new address in an announcement, if it is of this master. */
function switchOf(text: string, name: string): RedisAddress | undefined {
  const [itsName, , , host = "", port] = text.split(" ");
  return itsName === name ? { host, port: Number(port) } : undefined;
}

function addressOf(answer: unknown, name: string): RedisAddress {
  if (Array.isArray(answer) && answer.length === 2) return { host: textOf(answer[0]), port: Number(textOf(answer[1])) };
  if (answer !== null) throw new CometError("ERR_BROKER", `the answer is no address, but ${describe(answer)}.`);
  throw new CometError(
    "ERR_BROKER_CONFIG",
    `it knows no master of this name: set sentinel.name to that of its line "sentinel monitor", not ${name}.`,
  );
}
