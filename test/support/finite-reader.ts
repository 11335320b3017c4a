import { isPromiseLike } from "../../src/core/promise.ts";
import { isAdmission, type Decision } from "../../src/hub/admission/decision.ts";
import type { Connection } from "../../src/hub/delivery/connection.ts";
import { CometDecoder } from "./decoders/comet-decoder.ts";
import type { Decoder } from "./decoders/decoder.ts";
import { NdjsonDecoder } from "./decoders/ndjson-decoder.ts";
import { PollDecoder } from "./decoders/poll-decoder.ts";
import { SseDecoder } from "./decoders/sse-decoder.ts";
import type { WireItem } from "./decoders/wire-item.ts";
import { connectionOf, FakeSink } from "./fake-sink.ts";
import { FiniteLedger, type Asked, type FiniteCounts } from "./finite-ledger.ts";
import type { FiniteWorld } from "./finite-world.ts";

export const finiteWires = ["ndjson", "poll", "sse", "sse managed", "comet managed"] as const;
export type FiniteWire = (typeof finiteWires)[number];

/** A reader of finite topics on any wire, which keeps its position as PROTOCOL.md says. */
export class FiniteReader {
  readonly #world: FiniteWorld;
  readonly #topics: readonly string[];
  readonly #counts: FiniteCounts;
  #ledger: FiniteLedger;
  /** The request that the hub has not decided on. */
  #waiting: Asked | undefined;
  #sink: FakeSink | undefined;
  #connection: Connection | undefined;
  #decoder: Decoder | undefined;
  #fed = 0;

  constructor(world: FiniteWorld, topics: readonly string[], counts: FiniteCounts) {
    this.#world = world;
    this.#topics = topics;
    this.#counts = counts;
    this.#ledger = new FiniteLedger(world, topics, counts);
    world.readers.push(this);
  }

  get isDone(): boolean {
    return this.#ledger.isDone;
  }

  connect(wire: FiniteWire): void {
    if (this.#sink !== undefined || this.#waiting !== undefined || this.isDone) return;
    const [name = "", mode = "plain"] = wire.split(" ");
    const query = new URLSearchParams([
      ["wire", name],
      ["mode", mode],
      ...this.#topics.map((topic) => ["topic", topic]),
    ]);
    const { position } = this.#ledger;
    if (position !== "") query.set("lastEventId", position);
    const request = { method: "GET", url: `/live?${query.toString()}`, headers: { get: () => null } };
    const asked = this.#ledger.ask(wire);
    const decision = this.#world.hub._decide(request, () => ({}));
    if (!isPromiseLike(decision)) {
      this.#decided(asked, decision);
      return;
    }
    this.#waiting = asked;
    this.#counts.waits += 1;
    void this.#world.settles(Promise.resolve(decision), (late) => {
      if (this.#waiting === asked) {
        this.#waiting = undefined;
        this.#decided(asked, late);
      } else if (isAdmission(late)) late.release();
    });
  }

  /** The connection breaks, after a share of what was on its way. */
  cut(share: number): void {
    this.#waiting = undefined;
    if (this.#sink === undefined) return;
    this.take(share);
    this.#over();
  }

  /** Another reader takes its place, which has had nothing. */
  renew(): void {
    this.cut(0);
    this.#ledger = new FiniteLedger(this.#world, this.#topics, this.#counts);
  }

  stall(): void {
    if (this.#sink !== undefined) this.#sink.full = true;
  }

  read(): void {
    if (this.#sink?.full !== true) return;
    this.#sink.full = false;
    this.#connection?.drained();
  }

  /** Reads a share of what has come. */
  take(share = 1): void {
    const sink = this.#sink;
    if (sink === undefined || (sink.full && share === 1)) return;
    const bytes = Buffer.concat(sink.bytes);
    const to = this.#fed + Math.floor((bytes.length - this.#fed) * share);
    this.#decoder?.feed(bytes.subarray(this.#fed, to));
    this.#fed = to;
    if (share === 1 && sink.state !== "open") {
      this.#decoder?.end();
      this.#over();
    }
  }

  expectDone(): void {
    this.#ledger.expectDone();
  }

  #decided(asked: Asked, decision: Decision): void {
    if (!isAdmission(decision)) {
      this.#ledger.refused(asked, decision.status);
      return;
    }
    this.#ledger.admitted(asked);
    const [name = "", mode = "plain"] = asked.wire.split(" ");
    this.#decoder = this.#decoderOf(name, mode as "plain" | "managed");
    this.#fed = 0;
    this.#sink = new FakeSink();
    this.#connection = connectionOf(decision.open(this.#sink));
  }

  #over(): void {
    const connection = this.#connection;
    this.#sink = this.#connection = this.#decoder = undefined;
    connection?.gone();
    this.#ledger.over();
  }

  #decoderOf(wire: string, mode: "plain" | "managed"): Decoder {
    const onItem = (item: WireItem): void => this.#ledger.check(item);
    if (wire === "ndjson") return new NdjsonDecoder({ onItem });
    if (wire === "poll") return new PollDecoder({ onItem });
    if (wire === "sse") return new SseDecoder({ onItem, mode });
    return new CometDecoder({ onItem, mode, callback: "parent.cometMessage" });
  }
}
