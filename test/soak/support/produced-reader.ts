import { get, type ClientRequest, type IncomingMessage } from "node:http";
import type { ControlItems, Wire } from "../../../src/wire/item.ts";
import type { HubProcess, Token } from "../../support/hub-process.ts";
import { decoderOf, type ItemHandler } from "./decoders.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

export interface ReaderOptions {
  readonly topic: string;
  readonly wire: Wire;
  readonly hubs: readonly HubProcess[];
  readonly random: Random;
  readonly tally: Tally;
}

/**
 * A client that reads one stream to its end, from whichever process is there, and resumes after whatever happens. It notes a
 * violation where the stream is not the tokens 0, 1, 2 ... of one producer, and then an end.
 */
export class ProducedReader {
  /** The number of tokens that it has had, and who has produced them. */
  count = 0;
  producer: string | undefined;
  /** The outcome of the stream, once it has ended: with the code of a failure. */
  outcome: string | undefined;
  /** The longest time in milliseconds without a token or an end while it was connected to a process that runs. */
  longestWaitMs = 0;
  readonly #options: ReaderOptions;
  #position = "";
  #request: ClientRequest | undefined;
  #hub: HubProcess | undefined;
  #heardAt = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  start(): void {
    const { topic, wire, hubs, random, tally } = this.#options;
    const hub = random.pick(hubs.filter(({ isListening }) => isListening).concat(hubs.slice(0, 1)));
    const query = new URLSearchParams({ topic, wire, ...(wire === "comet" ? { mode: "managed" } : {}) });
    if (this.#position !== "") query.set("lastEventId", this.#position);
    tally.add("requests all");
    const request = get({ port: hub.port, host: "127.0.0.1", path: `/?${query.toString()}`, agent: false });
    this.#request = request;
    this.#hub = hub;
    request.on("response", (response) => this.#read(request, response));
    request.on("error", () => this.#over(request));
    request.on("close", () => this.#over(request));
  }

  /** Breaks the connection off. It comes back. */
  cut(): void {
    this.#request?.destroy();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#request?.destroy();
  }

  /** Notes how long it has waited for a stream that has begun and not ended. */
  look(now: number): void {
    const runsSince = this.#hub?.runsSince ?? Infinity;
    if (this.outcome !== undefined || this.count === 0) return;
    this.longestWaitMs = Math.max(this.longestWaitMs, now - Math.max(this.#heardAt, runsSince));
  }

  #read(request: ClientRequest, response: IncomingMessage): void {
    const { wire, tally } = this.#options;
    const status = response.statusCode ?? 0;
    tally.add(`answers ${status}`);
    // A plain stream that is refused has the status 200, and a length.
    const isRefused = status !== 200 || (wire === "sse" && response.headers["content-length"] !== undefined);
    if (isRefused) {
      if (status === 410) this.#violate("its stream has expired");
      response.resume();
      return;
    }
    const decoder = decoderOf(wire, this.#items());
    this.#heardAt = performance.now();
    const decode = (act: () => void): void => {
      if (this.#request !== request) return;
      try {
        act();
      } catch (error) {
        this.#violate((error as Error).message);
      }
    };
    response.on("data", (bytes: Buffer) => decode(() => decoder.push(bytes)));
    response.on("end", () => decode(() => decoder.end()));
    response.on("error", () => undefined);
  }

  #items(): ItemHandler {
    const { topic, tally } = this.#options;
    const heard = (): void => {
      this.#heardAt = performance.now();
    };
    return {
      open: ({ states }) => {
        tally.add(`states ${String(states[topic])}`);
        if (this.#position !== "" && states[topic] === "fresh") this.#violate("it does not know its place any more");
      },
      message: ({ id, data }) => {
        heard();
        this.#take(data as unknown as Token);
        this.#position = id;
      },
      gap: () => this.#violate("it has a gap"),
      topicEnded: (item) => {
        heard();
        this.#end(item);
      },
      missing: ({ status }) => {
        tally.add(`missing ${status}`);
        if (this.count > 0) this.#violate(`its stream is missing (${status})`);
      },
      ended: ({ reason }) => tally.add(`ends ${reason}`),
      heartbeat: () => undefined,
    };
  }

  #take({ t, p, n }: Token): void {
    const { topic, tally } = this.#options;
    tally.add("tokens all");
    this.producer ??= p;
    if (t !== topic) this.#violate(`a token of ${t} came`);
    if (this.outcome !== undefined) this.#violate(`token ${n} came after the end`);
    if (p !== this.producer) this.#violate(`token ${n} is of ${p}, and those before of ${this.producer}`);
    if (n !== this.count) this.#violate(`token ${n} came where ${this.count} was due`);
    this.count += 1;
  }

  #end({ outcome, code, position }: ControlItems["ended"]): void {
    const ended = code ?? outcome;
    if (this.outcome !== undefined && this.outcome !== ended) this.#violate(`${ended} came after ${this.outcome}`);
    this.outcome = ended;
    this.#position = position;
    this.#options.tally.add(`outcomes ${ended}`);
  }

  #over(request: ClientRequest): void {
    if (this.#request !== request) return;
    this.#request = undefined;
    this.#heardAt = Infinity;
    if (this.#isStopped || this.outcome !== undefined) return;
    this.#timer = setTimeout(() => this.start(), this.#options.random.whole(10, 200));
  }

  #violate(what: string): void {
    const { topic, wire, tally } = this.#options;
    tally.violations.push(`A reader of ${topic} on ${wire}, after ${this.count} tokens: ${what}.`);
  }
}
