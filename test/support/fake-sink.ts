import { expect } from "vitest";
import { isAdmission } from "../../src/hub/admission/decision.ts";
import { Connection } from "../../src/hub/delivery/connection.ts";
import type { RequestOptions, Hub } from "../../src/index.ts";
import type { OpenStream, Sink } from "../../src/hub/delivery/sink.ts";
import { compressesAll } from "./compresses-all.ts";
import { Inflater } from "./inflater.ts";

/** A sink that keeps what it is given, and is full when it is told to be. */
export class FakeSink implements Sink {
  readonly isChunked = false;
  readonly pieces: string[] = [];
  readonly bytes: Uint8Array[] = [];
  full = false;
  state: "open" | "ended" | "destroyed" = "open";
  /** Called at each write, within it. */
  onWrite: (() => void) | undefined;
  #inflater: Inflater | undefined;

  /** Inflates what is written, as the client of a compressed response does. */
  inflate(): void {
    this.#inflater = new Inflater();
  }

  get text(): string {
    return this.pieces.join("");
  }

  /** The data of the messages so far, on ndjson and poll. */
  get messages(): unknown[] {
    return this.lines.filter((line) => "data" in line).map(({ data }) => data);
  }

  /** The objects so far, on ndjson and poll. */
  get lines(): Record<string, unknown>[] {
    const lines = this.text.split("\n").map((line) => line.replace(/^\[|[,\]]$/g, ""));
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  write(bytes: Uint8Array): boolean {
    this.pieces.push(Buffer.from(this.#inflated(bytes)).toString());
    this.bytes.push(bytes);
    this.onWrite?.();
    return !this.full;
  }

  end(bytes: Uint8Array): void {
    this.write(bytes);
    this.state = "ended";
    this.#check(() => this.#inflater?.end());
  }

  destroy(): void {
    this.state = "destroyed";
  }

  #inflated(bytes: Uint8Array): Uint8Array {
    return this.#check(() => this.#inflater?.push(bytes)) ?? bytes;
  }

  /** Fails the test if `act` throws. The hub expects sinks to throw, so throwing here would not. */
  #check<Result>(act: () => Result): Result | undefined {
    try {
      return act();
    } catch (error) {
      expect.soft(error).toBeUndefined();
      return undefined;
    }
  }
}

/** Opens a connection of a hub onto a fake sink, which accepts gzip in the project `compressed`. */
export async function open(
  hub: Hub,
  query: string,
  sink: FakeSink = new FakeSink(),
  options: RequestOptions = {},
): Promise<{ readonly connection: Connection; readonly sink: FakeSink }> {
  const get = (name: string): string | null => (compressesAll && name === "accept-encoding" ? "gzip" : null);
  const request = { method: "GET", url: `/live?${query}`, headers: { get } };
  const decision = await hub._decide(request, () => options);
  if (!isAdmission(decision)) throw new Error(decision.body);
  if (decision.isPacked) sink.inflate();
  return { connection: connectionOf(decision.open(sink)), sink };
}

/** The connection whose stream an adapter has. */
export function connectionOf(stream: OpenStream): Connection {
  if (stream instanceof Connection) return stream;
  throw new Error("This is no connection of a hub.");
}

/** One turn of the event loop: the hub flushes once, for no longer than its time slice. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Lets a hub flush whatever is queued. On a busy machine a flush may use up its time slice after a single group; each
 * turn flushes at least one, and no test has as many groups as there are turns here.
 */
export async function flushed(): Promise<void> {
  for (let i = 0; i < 16; i += 1) await turn();
}
