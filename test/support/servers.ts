import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { NodeResponse } from "../../src/adapters/node/index.ts";
import { acceptEncoding } from "./compresses-all.ts";
import { Inflater } from "./inflater.ts";
import { until } from "./sources.ts";

export type Handler = (response: NodeResponse) => void;

/** The protocols over which Node can serve a response. */
export type Protocol = "http" | "https" | "http2" | "http2 over TLS";

export interface TestServer {
  readonly port: number;
  readonly origin: string;
}

interface Closable {
  close(done: () => void): unknown;
  address(): unknown;
  on(event: "connection" | "secureConnection", listener: (socket: Socket) => void): unknown;
  listen(port: number, host: string, done: () => void): unknown;
}

/** Serves on a free port of 127.0.0.1 until the test is over. */
export async function serve(handler: Handler, protocol: Protocol = "http"): Promise<TestServer> {
  const server = create(handler, protocol);
  const sockets = new Set<Socket>();
  const track = (socket: Socket): void => void sockets.add(socket.on("error", () => undefined));
  server.on("connection", track);
  server.on("secureConnection", track);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => void server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { port, origin: `http${protocol === "http" || protocol === "http2" ? "" : "s"}://127.0.0.1:${port}` };
}

function create(handler: Handler, protocol: Protocol): Closable {
  const handle = (_: unknown, response: NodeResponse): void => handler(response);
  if (protocol === "http") return createServer(handle);
  if (protocol === "http2") return http2.createServer(handle);
  return protocol === "https"
    ? https.createServer(certificate(), handle)
    : http2.createSecureServer(certificate(), handle);
}

let made: { readonly key: Buffer; readonly cert: Buffer } | undefined;

/** A self-signed certificate for 127.0.0.1, made on first use. */
export function certificate(): { readonly key: Buffer; readonly cert: Buffer } {
  if (made !== undefined) return made;
  const folder = mkdtempSync(join(tmpdir(), "comet-sockets-cert-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1".split(
    " ",
  );
  execFileSync("openssl", [...args, "-keyout", key, "-out", cert], { stdio: "ignore" });
  made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return made;
}

/** One chunk of an HTTP/1.1 body (RFC 9112, 7.1), and the time at which it was complete. */
export interface Chunk {
  readonly text: string;
  readonly at: number;
}

/** A request on a bare socket, which records the exact bytes of the response. */
export class RawRequest {
  readonly socket: Socket;
  /** The bytes received so far, as latin1. */
  received = "";
  ended = false;
  readonly #arrivals: { readonly upTo: number; readonly at: number }[] = [];

  constructor(port: number, request: string) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setNoDelay();
    this.socket.write(request);
    this.socket.on("data", (data) => {
      this.received += data.toString("latin1");
      this.#arrivals.push({ upTo: this.received.length, at: performance.now() });
    });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => (this.ended = true));
  }

  /** Sends a `GET`, which accepts gzip in the project `compressed`. */
  static get(port: number, path = "/", headers = acceptEncoding): RawRequest {
    return new RawRequest(port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`);
  }

  get head(): string {
    return this.received.split("\r\n\r\n", 1).join();
  }

  /** The complete chunks, including the empty one that ends the body. */
  get chunks(): Chunk[] {
    const chunks: Chunk[] = [];
    let at = this.received.indexOf("\r\n\r\n") + 4;
    for (;;) {
      const lineEnd = this.received.indexOf("\r\n", at);
      if (lineEnd < 0) return chunks;
      const size = Number.parseInt(this.received.slice(at, lineEnd), 16);
      const end = lineEnd + 2 + size;
      if (Number.isNaN(size) || this.received.length < end + 2) return chunks;
      const text = this.received.slice(lineEnd + 2, end);
      chunks.push({ text, at: this.#arrivals.find(({ upTo }) => upTo >= end + 2)?.at ?? NaN });
      at = end + 2;
    }
  }

  /** The contents of the chunks, each as it is readable by itself. */
  get texts(): string[] {
    const texts = this.chunks.map(({ text }) => text);
    if (!/^content-encoding: gzip$/im.test(this.head)) return texts;
    const inflater = new Inflater();
    return texts.map((text) => Buffer.from(inflater.push(Buffer.from(text, "latin1"))).toString("latin1"));
  }

  /** Waits until the connection is closed. */
  async over(): Promise<this> {
    await until(() => this.ended);
    return this;
  }

  /** Waits for a number of chunks. */
  async has(count: number): Promise<this> {
    await until(() => this.chunks.length >= count);
    return this;
  }
}
