import { expect } from "vitest";
import type { HubOptions } from "../../src/index.ts";
import {
  durableStreams,
  type DurableStreams,
  type DurableStreamsOptions,
} from "../../src/surfaces/durable-streams/index.ts";
import { compressesAll } from "./compresses-all.ts";
import { inflaterOf } from "./inflater.ts";
import { notedHub, type NotedHub } from "./hub.ts";
import { until } from "./sources.ts";

/** The headers and the body of a request. */
export type Sent = Pick<RequestInit, "body" | "headers" | "signal">;

/** Streams over a hub, with no network between. Clients accept gzip in the project `compressed`. */
export interface TestStreams extends NotedHub {
  readonly streams: DurableStreams;
  readonly send: (method: string, path: string, sent?: Sent) => Promise<Response>;
  /** Sends a request that must succeed. */
  readonly succeed: (method: string, path: string, sent?: Sent) => Promise<Response>;
}

export function testStreams(hubOptions: HubOptions = {}, options: DurableStreamsOptions = {}): TestStreams {
  const noted = notedHub(hubOptions);
  const streams = durableStreams(noted.hub, options);
  const send = (method: string, path: string, sent: Sent = {}): Promise<Response> => {
    const request = new Request(`http://hub.test${path}`, { method, ...sent, ...duplex(sent) });
    if (compressesAll) request.headers.set("accept-encoding", "gzip");
    return streams.fetch(request);
  };
  const succeed = async (method: string, path: string, sent?: Sent): Promise<Response> => {
    const response = await send(method, path, sent);
    if (!response.ok) expect.fail(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  return { ...noted, streams, send, succeed };
}

/** A body that is a stream needs it. */
function duplex({ body }: Sent): object {
  return body instanceof ReadableStream ? { duplex: "half" } : {};
}

export const json = { "content-type": "application/json" };
export const text = { "content-type": "text/plain" };
export const bytes = { "content-type": "application/octet-stream" };

/** An event of a live reader. */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** Returns the events of an event stream: its comments and its unfinished event are left out. */
export function eventsOf(received: string): StreamEvent[] {
  return received
    .split("\n\n")
    .slice(0, -1)
    .flatMap((block) => {
      const lines = block.split("\n");
      const type = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
      return type === undefined ? [] : [{ type, data: data.join("\n") }];
    });
}

/** A live reader of a stream, which reads as it comes. */
export class LiveReader {
  readonly response: Response;
  received = "";
  over = false;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #hasLeft = false;

  constructor(response: Response) {
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    this.response = response;
    this.#reader = (response.body ?? expect.fail("there is no body")).getReader();
    void this.#read();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    const inflater = inflaterOf(this.response);
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.received += decoder.decode(inflater?.push(value) ?? value, { stream: true });
    }
    if (!this.#hasLeft) inflater?.end();
    this.over = true;
  }

  get events(): StreamEvent[] {
    return eventsOf(this.received);
  }

  get data(): string[] {
    return this.events.filter(({ type }) => type === "data").map(({ data }) => data);
  }

  get controls(): Record<string, unknown>[] {
    return this.events
      .filter(({ type }) => type === "control")
      .map(({ data }) => JSON.parse(data) as Record<string, unknown>);
  }

  /** Waits for a number of events `data`, each with its `control`. */
  async has(count: number): Promise<this> {
    await until(() => this.data.length >= count && this.events.at(-1)?.type === "control");
    return this;
  }

  /** Waits for the first event `control`. */
  async begun(): Promise<this> {
    await until(() => this.controls.length > 0);
    return this;
  }

  async ended(): Promise<this> {
    await until(() => this.over);
    return this;
  }

  leave(): void {
    this.#hasLeft = true;
    void this.#reader.cancel();
  }
}
