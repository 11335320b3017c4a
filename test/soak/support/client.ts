import { connect, type Socket } from "node:net";
import type { ControlItems, Wire } from "../../../src/wire/item.ts";
import { decoderOf, type Decoder, type ItemHandler } from "./decoders.ts";
import type { Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { ResponseParser } from "./response-parser.ts";
import type { Tally } from "./tally.ts";

/** What has to say where a client is, is told of all that comes, and throws if that is wrong. */
export interface ClientLedger extends Pick<ItemHandler, "open" | "message" | "gap"> {
  /** What the client comes back with; empty before it has any place. */
  readonly position: string;
  /** The last items, for the report of a violation. */
  readonly history: string;
  end(item: ControlItems["end"]): void;
  /** The connection is over, with or without an end. */
  over(why: string): void;
  note(what: string, ...more: (string | number | object)[]): void;
}

export interface ClientOptions<L extends ClientLedger = Ledger> {
  readonly wire: Wire;
  readonly topics: readonly string[];
  /** The port of the server, or what tells it whenever the client connects. */
  readonly port: number | (() => number);
  readonly ledger: L;
  readonly random: Random;
  readonly tally: Tally;
  /** How long to stay away after a cut, in milliseconds. */
  readonly awayMs: (random: Random) => number;
}

/**
 * A client on a bare socket that follows topics as PROTOCOL.md, section 6, says: it keeps its position, comes back with it after
 * whatever happens, and lets its ledger check all that comes.
 */
export class Client<L extends ClientLedger = Ledger> {
  readonly ledger: L;
  readonly #options: ClientOptions<L>;
  #socket: Socket | undefined;
  #decoder: Decoder | undefined;
  #timer: NodeJS.Timeout | undefined;
  #resume: NodeJS.Timeout | undefined;
  #retryMs: number | undefined;
  #stopped = false;

  constructor(options: ClientOptions<L>) {
    this.#options = options;
    this.ledger = options.ledger;
  }

  get connected(): boolean {
    return this.#decoder !== undefined;
  }

  start(): void {
    const { tally, port } = this.#options;
    const to = typeof port === "number" ? port : port();
    const socket = connect({ port: to, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    const parser = this.#parser(socket);
    socket.on("data", (bytes: Buffer) => {
      if (this.#socket !== socket) return;
      try {
        parser.push(bytes);
      } catch (error) {
        this.#violate(error);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.#gone(socket, "broken"));
    tally.add("requests on new connections");
    this.#request(socket);
  }

  /** Leaves, with a reset or gently, to come back. */
  cut(how: "reset" | "close"): boolean {
    const socket = this.#socket;
    if (socket === undefined) return false;
    this.#gone(socket, how);
    if (how === "reset") socket.resetAndDestroy();
    else socket.destroy();
    return true;
  }

  /** Reads nothing for so long. */
  stall(ms: number): void {
    const socket = this.#socket;
    if (socket === undefined || this.#resume !== undefined) return;
    this.#options.tally.add("stalls all");
    socket.pause();
    this.#resume = setTimeout(() => {
      this.#resume = undefined;
      socket.resume();
    }, ms);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#resume);
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #request(socket: Socket): void {
    const { wire, topics, random, ledger } = this.#options;
    const { position } = ledger;
    const query = new URLSearchParams(topics.map((topic) => ["topic", topic]));
    query.set("wire", wire);
    if (wire === "comet") query.set("mode", "managed");
    // A browser's EventSource has the header, everybody else the parameter.
    const inHeader = wire === "sse" || random.chance(0.2);
    if (position !== "" && !inHeader) query.set("lastEventId", position);
    const header = position !== "" && inHeader ? `Last-Event-ID: ${position}\r\n` : "";
    socket.write(`GET /?${query.toString()} HTTP/1.1\r\nHost: soak\r\n${header}\r\n`);
    ledger.note("request", position);
  }

  #parser(socket: Socket): ResponseParser {
    const { wire, ledger, tally } = this.#options;
    let refused = false;
    return new ResponseParser({
      head: (status, head) => {
        // A plain stream that is refused has the status 200, and a length.
        const isRefused = status === 503 || (wire === "sse" && /^content-length:/im.test(head));
        tally.add(`answers ${isRefused ? 503 : status}`);
        refused = isRefused;
        if (status !== 200 && !refused) throw new Error(`The server answered\n${head}`);
        if (!refused) this.#decoder = decoderOf(wire, this.#items());
      },
      body: (bytes) => {
        if (!refused) this.#decoder?.push(bytes);
      },
      end: () => {
        ledger.note("body complete");
        this.#decoder?.end();
        this.#decoder = undefined;
        if (!refused && this.#retryMs === undefined) throw new Error("A response was complete without an end.");
        this.#next(socket, refused);
      },
    });
  }

  #items(): Parameters<typeof decoderOf>[1] {
    const { ledger, tally } = this.#options;
    this.#retryMs = undefined;
    return {
      open: (item) => {
        for (const state of Object.values(item.states)) tally.add(`states ${state}`);
        ledger.open(item);
      },
      message: (message) => {
        tally.add("deliveries");
        ledger.message(message);
      },
      gap: (item) => {
        tally.add(item.missed === null ? "gaps unknown" : "gaps numbered");
        ledger.gap(item);
      },
      ended: (item) => {
        tally.add(`ends ${item.reason}`);
        if (item.retryMs === null) throw new Error(`The client may not come back: ${item.reason}.`);
        this.#retryMs = item.retryMs;
        ledger.end(item);
      },
      heartbeat: () => tally.add("heartbeats"),
    };
  }

  /** A response is complete. What may come at once sometimes comes on the same connection. */
  #next(socket: Socket, refused: boolean): void {
    const { random, tally, wire } = this.#options;
    this.ledger.over("end");
    if (!refused && this.#retryMs === 0 && random.chance(wire === "poll" ? 0.95 : 0.5)) {
      tally.add("requests on the same connection");
      this.#request(socket);
      return;
    }
    const delayMs = refused ? random.whole(20, 200) : (this.#retryMs ?? 0);
    this.#socket = undefined;
    socket.destroy();
    this.#comeBack(delayMs);
  }

  #gone(socket: Socket, how: string): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#decoder = undefined;
    clearTimeout(this.#resume);
    this.#resume = undefined;
    this.ledger.over(how);
    this.#options.tally.add(`losses ${how}`);
    this.#comeBack(this.#options.awayMs(this.#options.random));
  }

  #comeBack(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.start(), ms);
  }

  #violate(error: unknown): void {
    const { tally, wire, topics } = this.#options;
    tally.violations.push(`${wire} [${topics.join()}] ${(error as Error).message}\n    ${this.ledger.history}`);
    this.stop();
  }
}
