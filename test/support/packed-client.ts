import { vi } from "vitest";
import { isAdmission } from "../../src/hub/admission/decision.ts";
import type { Connection } from "../../src/hub/delivery/connection.ts";
import type { Hub, HubStats, RequestOptions } from "../../src/index.ts";
import { PackingBudget } from "../../src/hub/packing/packing-budget.ts";
import { connectionOf, FakeSink } from "./fake-sink.ts";
import { gunzip, gunzipSoFar } from "./gunzip.ts";

/** A fake sink whose client closes the connection when its body has ended. */
class ClosingSink extends FakeSink {
  #close: (() => void) | undefined;

  onEnd(close: () => void): void {
    this.#close = close;
    if (this.state === "ended") close();
  }

  override end(bytes: Uint8Array): void {
    super.end(bytes);
    this.#close?.();
  }
}

/** A client of a compressed stream, with a fake sink. */
export class PackedClient {
  readonly connection: Connection;
  readonly sink: FakeSink;

  private constructor(connection: Connection, sink: FakeSink) {
    this.connection = connection;
    this.sink = sink;
  }

  /** Opens a connection of a hub. Throws if the response is not compressed. */
  static async open(hub: Hub, query: string, options: RequestOptions = {}): Promise<PackedClient> {
    const get = (name: string): string | null => (name === "accept-encoding" ? "gzip" : null);
    const decision = await hub._decide({ method: "GET", url: `/live?${query}`, headers: { get } }, () => options);
    if (!isAdmission(decision)) throw new Error(decision.body);
    if (decision.headers.get("content-encoding") !== "gzip") throw new Error("The response is plain.");
    const sink = new ClosingSink();
    const connection = connectionOf(decision.open(sink));
    sink.onEnd(() => connection.gone());
    return new PackedClient(connection, sink);
  }

  /** The bytes so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.sink.bytes);
  }

  /** The content so far, or the checked content of a body that has ended. */
  get text(): string {
    return (this.sink.state === "ended" ? gunzip(this.bytes) : gunzipSoFar(this.bytes)).toString();
  }

  /** The objects so far, on ndjson. */
  get lines(): Record<string, unknown>[] {
    const lines = this.text.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** The data of the messages so far, on ndjson. */
  get messages(): unknown[] {
    return this.lines.flatMap((line) => ("data" in line ? [line["data"]] : []));
  }

  /** Takes bytes again, as a sink that has drained. */
  drain(): void {
    this.sink.full = false;
    this.connection.drained();
  }
}

/** Gives packing all the time that it takes, however slow the machine is, until mocks are restored. */
export function allowAllPacking(): void {
  vi.spyOn(PackingBudget.prototype, "isLeft", "get").mockReturnValue(true);
}

/** The figures of compression of a hub that has it. */
export function compressionOf(hub: Hub): NonNullable<HubStats["compression"]> {
  const { compression } = hub.stats();
  if (compression === undefined) throw new Error("The hub does not compress.");
  return compression;
}
