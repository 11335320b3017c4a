import type { Hub } from "../../src/index.ts";
import { Follower, request } from "./hub.ts";
import type { WireItem } from "./decoders/wire-item.ts";

/** The data of a message: the life of the topic, the publisher in it, and the publisher's count. */
export interface Token {
  readonly life: number;
  readonly writer: string;
  readonly n: number;
}

/** One life of a topic, from its first message to its end, its removal or its expiry. */
export class Life {
  readonly number: number;
  /** The messages in the order in which readers got them, each as `writer:n`. */
  readonly order: string[] = [];
  /** The messages that the hub has acknowledged. */
  readonly acknowledged = new Set<string>();
  /** The outcome that a call of a hub has returned. */
  outcome: string | undefined;
  mayEnd = false;
  /** Whether `topic.end` was called. */
  isEndCalled = false;
  isEndAcknowledged = false;
  readonly #counts = new Map<string, number>();

  constructor(number: number) {
    this.number = number;
  }

  /** Returns whether a reader may get a message as its `index`th of this life, counted from 0. */
  accepts(index: number, { writer, n }: Token): boolean {
    const key = `${writer}:${n}`;
    if (index < this.order.length) return this.order[index] === key;
    if (index > this.order.length || n !== (this.#counts.get(writer) ?? 0) + 1) return false;
    this.#counts.set(writer, n);
    this.order.push(key);
    return true;
  }
}

/** The end of a life, as a reader got it after `length` messages. */
export interface SeenEnd {
  readonly life: number;
  readonly length: number;
  readonly outcome: string;
}

export const readerWires: readonly string[] = [
  "wire=ndjson",
  "wire=poll",
  "wire=sse",
  "wire=sse&mode=managed",
  "wire=comet&mode=managed",
];

/** A client of one topic that reconnects to other hubs with its position, and checks all that it gets. */
export class SharedFiniteReader {
  readonly ends: SeenEnd[] = [];
  /** The life of its newest message, and the number of messages of it that it has. */
  life = 0;
  index = 0;
  /** Whether the life is over for this reader: by its end, or since it was told that messages are missing. */
  hasEnded = false;
  isTold = false;
  /** The statuses of refusals. */
  readonly refusals: number[] = [];
  readonly #topic: string;
  readonly #lifeOf: (number: number) => Life | undefined;
  readonly #fault: (what: string) => void;
  #position = "";
  #follower: Follower | undefined;
  #absorbed = 0;
  #connection = 0;
  #isConnecting = false;

  constructor(topic: string, lifeOf: (number: number) => Life | undefined, fault: (what: string) => void) {
    this.#topic = topic;
    this.#lifeOf = lifeOf;
    this.#fault = fault;
  }

  /** Whether it has no connection. */
  get isIdle(): boolean {
    this.absorb();
    return !this.#isConnecting && this.#follower === undefined;
  }

  connect(hub: Hub, wire: string): void {
    if (this.isIdle) void this.#connect(hub, wire);
  }

  async #connect(hub: Hub, wire: string): Promise<void> {
    const connection = (this.#connection += 1);
    this.#isConnecting = true;
    const last = this.#position === "" ? "" : `&lastEventId=${encodeURIComponent(this.#position)}`;
    const query = `topic=${this.#topic}&${wire}${last}`;
    const response = await hub.fetch(request(query));
    if (connection !== this.#connection) {
      await response.body?.cancel();
      return;
    }
    this.#isConnecting = false;
    if (response.status === 200) {
      this.#absorbed = 0;
      this.#follower = new Follower(response, new URLSearchParams(query));
      return;
    }
    this.refusals.push(response.status);
    // An `EventSource` that has the end already.
    if (response.status === 204 && this.hasEnded) return;
    if (response.status === 404 || response.status === 410) this.isTold = true;
    else this.#fault(`is refused with ${response.status}: ${await response.text()}`);
  }

  /** Breaks the connection. What has come by now was read. */
  cut(): void {
    this.absorb();
    this.#connection += 1;
    this.#isConnecting = false;
    this.#follower?.leave();
    this.#follower = undefined;
  }

  /** Checks what has come. */
  absorb(): void {
    const follower = this.#follower;
    if (follower === undefined) return;
    const isOver = follower.over;
    for (; this.#absorbed < follower.items.length; this.#absorbed += 1) {
      this.#check(follower.items[this.#absorbed] as WireItem);
    }
    if (!isOver) return;
    if (follower.failure !== undefined) this.#fault(`has a broken stream: ${(follower.failure as Error).message}`);
    this.#follower = undefined;
  }

  #check(item: WireItem): void {
    if (item.type === "message") {
      this.#message((typeof item.data === "string" ? JSON.parse(item.data) : item.data) as Token);
      this.#position = item.id;
    } else if (item.type === "gap") this.isTold = true;
    else if (item.type === "missing") this.isTold = true;
    else if (item.type === "ended") this.#end(item.code ?? item.outcome);
    else if (item.type === "error") this.#fault(`gets ${JSON.stringify(item.problem)}`);
    if ("position" in item && item.position !== "") this.#position = item.position;
  }

  #message(token: Token): void {
    const text = JSON.stringify(token);
    if (token.life < this.life) this.#fault(`gets ${text} of an earlier life than ${this.life}`);
    if (token.life !== this.life) {
      if (this.life !== 0 && !this.hasEnded && !this.isTold) {
        this.#fault(`gets ${text}, and was not told how life ${this.life} ended`);
      }
      [this.life, this.index] = [token.life, 0];
    } else if (this.hasEnded) this.#fault(`gets ${text} after the end of its life`);
    else if (this.isTold) this.#fault(`gets ${text} after a gap in its life`);
    this.hasEnded = this.isTold = false;
    const life = this.#lifeOf(token.life);
    if (life?.accepts(this.index, token) !== true) {
      const before = life?.order.slice(Math.max(0, this.index - 3), this.index + 3).join(" ");
      this.#fault(`gets ${text} as message ${this.index} of its life; around it are ${before}`);
    }
    this.index += 1;
  }

  #end(outcome: string): void {
    // The end of a life without messages, which cannot be named.
    const isUnnamed = this.isTold || this.life === 0;
    if (!isUnnamed) this.ends.push({ life: this.life, length: this.index, outcome });
    this.hasEnded = true;
  }

  toString(): string {
    return `life ${this.life}, ${this.index} messages, ended ${this.hasEnded}, told ${this.isTold}`;
  }
}
