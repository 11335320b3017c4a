import { connect as openSocket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { nodeHandler, type NodeHandlerOptions, type NodeResponse } from "../../src/adapters/node/index.ts";
import {
  fetchHandler,
  Hub,
  type CloseReason,
  type RequestOptions,
  type HubOptions,
  type HubStats,
  type Subscription,
  type Wire,
} from "../../src/index.ts";
import { CometDecoder } from "./decoders/comet-decoder.ts";
import type { Decoder, DecoderOptions } from "./decoders/decoder.ts";
import type { EndItem, OpenItem, Problem } from "../../src/wire/item.ts";
import type { WireItem } from "./decoders/wire-item.ts";
import type { JsonValue } from "../../src/wire/json.ts";
import { compressesAll } from "./compresses-all.ts";
import { NdjsonDecoder } from "./decoders/ndjson-decoder.ts";
import { Inflater } from "./inflater.ts";
import { PollDecoder } from "./decoders/poll-decoder.ts";
import { SseDecoder } from "./decoders/sse-decoder.ts";
import { serve, type Protocol, type TestServer } from "./servers.ts";
import { until } from "./sources.ts";

export const wires: readonly Wire[] = ["ndjson", "sse", "comet", "poll"];
/** Those whose answers go on. */
export const streams: readonly Wire[] = ["ndjson", "sse", "comet"];

/** A hub, and what its hooks were told. */
export interface NotedHub {
  readonly hub: Hub;
  readonly opened: Subscription[];
  readonly closed: { readonly subscription: Subscription; readonly reason: CloseReason }[];
  readonly reasons: CloseReason[];
  readonly errors: unknown[];
}

/** A hub that is closed when the test is over. Hooks of the test's own are called as well. */
export function notedHub(options: HubOptions = {}): NotedHub {
  const noted = { opened: [], closed: [], reasons: [], errors: [] } as Omit<NotedHub, "hub">;
  const hub = new Hub({
    ...options,
    onOpen: (subscription) => {
      noted.opened.push(subscription);
      options.onOpen?.(subscription);
    },
    onClose: (subscription, reason) => {
      noted.closed.push({ subscription, reason });
      noted.reasons.push(reason);
      options.onClose?.(subscription, reason);
    },
    onError: (error) => {
      noted.errors.push(error);
      options.onError?.(error);
    },
  });
  onTestFinished(() => void hub.close({ drainMs: 0 }));
  return { hub, ...noted };
}

/** A hub behind a server of its own. */
export interface HubServer extends NotedHub, TestServer {
  readonly responses: NodeResponse[];
  /** Fetches, and follows on the wire that is named or that the content type tells. */
  follow(query: string, init?: RequestInit): Promise<Follower>;
}

export async function serveHub(
  options: HubOptions = {},
  protocol: Protocol = "http",
  requestOptions?: NodeHandlerOptions,
): Promise<HubServer> {
  const noted = notedHub(options);
  const responses: NodeResponse[] = [];
  const handle = nodeHandler(noted.hub, requestOptions);
  const server = await serve((response) => {
    responses.push(response);
    void handle(response.req, response);
  }, protocol);
  const follow = (query: string, init?: RequestInit): Promise<Follower> =>
    Follower.fetch(`${server.origin}/?${query}`, init);
  return { ...noted, ...server, responses, follow };
}

/** Whether the server has seen that the client of a response has left. A listener would change how the hub writes. */
export function isLeft(response: NodeResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.req.socket.destroyed;
}

/** Connects to a hub with no network between, and accepts gzip in the project `compressed`. */
export async function followHub(
  hub: Hub,
  query: string,
  init?: RequestInit,
  options?: RequestOptions,
): Promise<Follower> {
  const asked = request(query, init);
  if (compressesAll && !asked.headers.has("accept-encoding")) asked.headers.set("accept-encoding", "gzip");
  return new Follower(await fetchHandler(hub, options)(asked), new URLSearchParams(query));
}

export function request(query: string, init?: RequestInit): Request {
  return new Request(`http://hub.test/events?${query}`, init);
}

const wireOf: Readonly<Record<string, Wire>> = {
  "application/x-ndjson": "ndjson",
  "text/event-stream": "sse",
  "text/html; charset=utf-8": "comet",
  "application/json": "poll",
};

/** The wire of an answer, by its content type. */
export function wireOfResponse(response: Response): Wire {
  return wireOf[response.headers.get("content-type") ?? ""] ?? expect.fail("the answer is no stream");
}

function modeOf(query: URLSearchParams): "plain" | "managed" {
  return query.get("mode") === "managed" ? "managed" : "plain";
}

function decoderOf(wire: Wire, query: URLSearchParams, options: DecoderOptions): Decoder {
  switch (wire) {
    case "ndjson":
      return new NdjsonDecoder(options);
    case "sse":
      return new SseDecoder({ ...options, mode: modeOf(query) });
    case "poll":
      return new PollDecoder(options);
    case "comet": {
      return new CometDecoder({
        ...options,
        mode: modeOf(query),
        callback: query.get("callback") ?? "parent.cometMessage",
      });
    }
  }
}

/** A client that reads an answer as it comes. */
export class Follower {
  readonly response: Response;
  readonly wire: Wire;
  readonly items: WireItem[] = [];
  /** What has come, as text. */
  text = "";
  /** Whether the body is over, and what it broke off with, if it did. */
  over = false;
  failure: unknown;
  readonly #leave: () => void;

  constructor(response: Response, query: URLSearchParams, leave?: () => void) {
    this.response = response;
    this.wire = wireOfResponse(response);
    const decoder = decoderOf(this.wire, query, { onItem: (item) => this.items.push(item) });
    const reader = (response.body ?? expect.fail("there is no body")).getReader();
    this.#leave = leave ?? (() => void reader.cancel());
    void this.#read(reader, decoder);
  }

  /** Follows an address over the network. */
  static async fetch(url: string, init: RequestInit = {}): Promise<Follower> {
    const controller = new AbortController();
    const response = await fetch(url, { ...init, signal: controller.signal });
    return new Follower(response, new URL(url).searchParams, () => controller.abort());
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>, decoder: Decoder): Promise<void> {
    const text = new TextDecoder();
    // `fetch` inflates what comes over the network.
    const isPacked = this.response.url === "" && this.response.headers.get("content-encoding") === "gzip";
    const inflater = isPacked ? new Inflater() : undefined;
    try {
      for (;;) {
        const { done, value: sent } = await reader.read();
        if (done) break;
        const value = inflater?.push(sent) ?? sent;
        this.text += text.decode(value, { stream: true });
        decoder.feed(value);
      }
      inflater?.end();
      decoder.end();
    } catch (error) {
      this.failure = error;
    }
    this.over = true;
  }

  /** The messages' data. On SSE this is text. */
  get data(): JsonValue[] {
    return this.items.flatMap((item) => (item.type === "message" ? [item.data] : []));
  }

  get open(): OpenItem {
    return this.#only("open") as unknown as OpenItem;
  }

  get end(): EndItem {
    return this.#only("end") as unknown as EndItem;
  }

  get heartbeats(): number {
    return this.items.filter(({ type }) => type === "heartbeat").length;
  }

  #only(type: WireItem["type"]): WireItem {
    const found = this.items.filter((item) => item.type === type);
    expect(found).toHaveLength(1);
    return found[0] as WireItem;
  }

  /** Waits for so many messages. */
  async has(count: number): Promise<this> {
    await until(() => this.failure !== undefined || this.data.length >= count);
    expect(this.failure).toBeUndefined();
    return this;
  }

  /** Waits for the stream's first item. */
  async begun(): Promise<this> {
    await until(() => this.items.length > 0);
    return this;
  }

  /** Waits for the end of the body. */
  async ended(): Promise<this> {
    await until(() => this.over);
    expect(this.failure).toBeUndefined();
    return this;
  }

  /** Leaves, as a client that is closed does. */
  leave(): void {
    this.#leave();
  }
}

/** Expects a response to be a refusal, as PROTOCOL.md's section 7 has it, and gives its problem. */
export async function problemOf(response: Response, status: number, code: string): Promise<Problem> {
  expect([response.status, response.headers.get("content-type")]).toEqual([status, "application/problem+json"]);
  const body = await response.text();
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  const problem = JSON.parse(body) as Problem;
  expectProblem(problem, status, code);
  if (problem.retryMs !== undefined) expect(response.headers.get("retry-after")).toBe(String(problem.retryMs / 1000));
  return problem;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  410: "Gone",
  414: "URI Too Long",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export function expectProblem(problem: Problem, status: number, code: string): void {
  const { detail, retryMs, ...rest } = problem;
  expect(typeof retryMs).toBe(status === 503 || status === 429 ? "number" : "undefined");
  expect(rest).toEqual({ type: `urn:comet-sockets:${code}`, title: titles[status], status, code });
  expect(detail).toMatch(/^.{10,}\.$/s);
}

/** Expects nothing to have changed in a hub but the number of refusals. */
export function expectOnlyRefused({ hub }: NotedHub, before: HubStats, refusals = 1): void {
  expect(hub.stats()).toEqual({ ...before, rejected: before.rejected + refusals });
}

/** Sends bytes on a bare socket, and gives all that comes until the server closes it. */
export function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = openSocket(port, "127.0.0.1", () => socket.end(bytes));
    let received = "";
    socket.on("data", (data) => (received += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received));
  });
}

/** A server with a follower, and a check that what was refused beside it changed nothing. */
export async function withBystander(
  options: HubOptions,
): Promise<HubServer & { readonly check: (refusals?: number) => Promise<void> }> {
  const server = await serveHub(options);
  const bystander = await (await server.follow("topic=news&wire=ndjson")).begun();
  const before = server.hub.stats();
  const check = async (refusals = 1): Promise<void> => {
    expectOnlyRefused(server, before, refusals);
    await server.hub.topic("news").publish("still here");
    expect((await bystander.has(1)).data).toEqual(["still here"]);
    expect(server.errors).toEqual([]);
    expect(server.errors).toEqual([]);
  };
  return { ...server, check };
}
