import { randomBytes, randomUUID } from "node:crypto";

/** Something that a client waits for, and what it says then. */
export interface Step {
  readonly until: string;
  readonly send?: Uint8Array;
}

/** How a client becomes one: what it asks, and what has to come before it counts as connected. */
export interface Greeting {
  readonly request: () => string;
  readonly steps: readonly Step[];
}

/** How a client of HTTP/2 becomes one: it is connected when the head of the answer has come. */
export interface Http2Greeting {
  readonly path: string;
  readonly accept: string;
  /** How many clients share a connection. */
  readonly streamsPerConnection: number;
}

const HEAD_END: Step = { until: "\r\n\r\n" };

/** Follows a stream over HTTP. */
export function get(path: string, accept: string): Greeting {
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: ${accept}\r\nUser-Agent: bench\r\n\r\n`;
  return { request: () => request, steps: [HEAD_END] };
}

/** Follows Server-Sent Events as an `EventSource` does. */
export function eventSource(path = "/"): Greeting {
  return get(path, "text/event-stream");
}

function upgrade(path: string): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`
  );
}

/** Opens a WebSocket. */
export function webSocket(path = "/"): Greeting {
  return { request: () => upgrade(path), steps: [HEAD_END] };
}

/** A short text as a frame from a client, which is masked (RFC 6455, 5.3): by zeros, so that it stays readable. */
function clientFrame(text: string): Uint8Array {
  return Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)]);
}

/** Opens a WebSocket at once, without polling first, and joins the main namespace of Socket.IO (its protocol, version 5). */
export function socketIo(): Greeting {
  return {
    request: () => upgrade("/socket.io/?EIO=4&transport=websocket"),
    steps: [HEAD_END, { until: '"sid"', send: clientFrame("40") }, { until: '40{"sid"' }],
  };
}

/** Opens a SockJS session on xhr_streaming; it is open when its frame `o` has come, after 2 KiB of `h`. */
export function sockJs(): Greeting {
  const ask = (): string =>
    `POST /live/000/${randomUUID()}/xhr_streaming HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nContent-Length: 0\r\n\r\n`;
  return { request: ask, steps: [HEAD_END, { until: "o\n" }] };
}
