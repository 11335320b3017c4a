import { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { gunzipSync, createGzip } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import { notedHub, serveHub, type NotedHub } from "../../../support/hub.ts";
import { RawRequest, serve, type TestServer } from "../../../support/servers.ts";
import { until } from "../../../support/sources.ts";

const stream = "GET /?topic=a&wire=ndjson HTTP/1.1\r\nHost: x\r\n\r\n";

/**
 * A hub whose connections are kept when their streams end, as they are if the response has a listener: otherwise Node
 * is detached from them, and they end with their streams (decision 12; `test/package/detach.test.ts`).
 */
async function serveKept(): Promise<NotedHub & TestServer> {
  const noted = notedHub();
  const server = await serve((response) => {
    response.on("finish", () => undefined);
    void nodeHandler(noted.hub)(response.req, response);
  });
  return { ...noted, ...server };
}

/** The body of a chunked answer, and what follows it. */
function unchunk(received: string): { readonly body: string; readonly rest: string } {
  let at = received.indexOf("\r\n\r\n") + 4;
  let body = "";
  for (;;) {
    const lineEnd = received.indexOf("\r\n", at);
    const length = parseInt(received.slice(at, lineEnd), 16);
    expect(received.slice(at, lineEnd)).toMatch(/^[0-9a-f]+$/);
    body += received.slice(lineEnd + 2, lineEnd + 2 + length);
    expect(received.slice(lineEnd + 2 + length, lineEnd + 4 + length)).toBe("\r\n");
    at = lineEnd + 4 + length;
    if (length === 0) return { body, rest: received.slice(at) };
  }
}

describe("a stream on HTTP/1.1", () => {
  test("bypasses the response, and sends its head and beginning together", async () => {
    const write = vi.spyOn(ServerResponse.prototype, "write");
    const { hub, port, opened } = await serveHub();
    const request = new RawRequest(port, stream);
    const packets: string[] = [];
    request.socket.on("data", (data: Buffer) => packets.push(data.toString()));
    await until(() => opened.length === 1 && packets.length > 0);
    expect(packets[0]).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n[0-9a-f]+\r\n\{"open":[^]*\}\n\r\n$/);
    await hub.topic("a").publish("Grüße");
    await until(() => request.received.includes("data"));
    expect(write).not.toHaveBeenCalled();
    write.mockRestore();
  });

  test("sends the byte length of each chunk", async () => {
    const { hub, port, opened } = await serveHub();
    const request = new RawRequest(port, stream);
    await until(() => opened.length === 1);
    const messages = ["", "Grüße", "😀".repeat(100), "\ud800", "x".repeat(60_000)];
    for (const message of messages) void hub.topic<string>("a").publish(message);
    await until(() => request.received.includes("x".repeat(60_000)));
    opened[0]?.close("gone");
    await until(() => request.received.endsWith("0\r\n\r\n"));
    // It is recorded as Latin-1, so that a character is a byte.
    const { body } = unchunk(request.received);
    const lines = Buffer.from(body, "latin1").toString().trimEnd().split("\n");
    const data = lines.map((line) => (JSON.parse(line) as { data?: unknown }).data);
    expect(data).toEqual([undefined, ...messages, undefined]);
  });

  test("ends cleanly, and its connection serves another request, and another stream", async () => {
    const { hub, port, opened, reasons } = await serveKept();
    const request = new RawRequest(port, stream);
    for (let i = 0; i < 5; i += 1) {
      await until(() => opened.length === i + 1);
      void hub.topic<string>("a").publish(`message ${i}`);
      await until(() => request.received.includes(`message ${i}`));
      opened[i]?.close("gone");
      await until(() => request.received.endsWith("\r\n0\r\n\r\n"));
      const { body, rest } = unchunk(request.received);
      expect([body.includes(`message ${i}`), rest]).toEqual([true, ""]);
      request.received = "";
      request.socket.write(`GET /?wire=poll HTTP/1.1\r\nHost: x\r\n\r\n`);
      await until(() => request.received.includes("ERR_TOPIC"));
      request.received = "";
      request.socket.write(stream);
    }
    expect(reasons).toEqual(Array.from({ length: 5 }, () => "gone"));
    expect(request.ended).toBe(false);
    await until(() => hub.stats().connections === 1);
  });

  test("closes the connection at its end if the client requests it", async () => {
    const { port, opened } = await serveHub();
    const request = new RawRequest(port, stream.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    await until(() => opened.length === 1);
    opened[0]?.close("gone");
    await request.over();
    expect(unchunk(request.received).rest).toBe("");
  });

  test("leaves no listeners and no symbols on its connection at its end", async () => {
    const { hub, opened } = notedHub();
    const sockets = new Set<Socket>();
    const server = await serve((response) => {
      sockets.add(response.req.socket);
      // Its connection is kept: see `serveKept`.
      response.on("finish", () => undefined);
      void nodeHandler(hub)(response.req, response);
    });
    const request = new RawRequest(server.port, "");
    const listeners: (readonly number[])[] = [];
    for (let i = 0; i < 5; i += 1) {
      request.received = "";
      request.socket.write(stream);
      await until(() => opened.length === i + 1);
      opened[i]?.close("gone");
      await until(() => request.received.endsWith("0\r\n\r\n") && hub.stats().connections === 0);
      for (const socket of sockets) {
        listeners.push(["drain", "close", "error"].map((event) => socket.listenerCount(event)));
        expect(
          Object.getOwnPropertySymbols(socket).map((symbol) => Reflect.get(socket, symbol) as unknown),
        ).not.toContain(opened[i]);
      }
    }
    expect(sockets.size).toBe(1);
    expect(listeners).toEqual(listeners.map(() => listeners[0]));
  });
});

/** Sends a message to one client, ends its stream, and returns the data that the client received. */
async function received(change: (response: ServerResponse) => void): Promise<Buffer> {
  const { hub, opened } = notedHub();
  const server = await serve((response) => {
    change(response as ServerResponse);
    void nodeHandler(hub)(response.req, response);
  });
  const request = new RawRequest(server.port, stream);
  await until(() => opened.length === 1);
  await hub.topic<string>("a").publish("kiki");
  await until(() => hub.stats().delivered === 1);
  opened[0]?.close("gone");
  await until(() => request.received.endsWith("0\r\n\r\n"));
  return Buffer.from(unchunk(request.received).body, "latin1");
}

describe("a response that middleware has changed is written through the middleware", () => {
  const lines = /^\{"open".*\}\n\{"id":.*"kiki"\}\n\{"end":.*\}\n$/;

  test("if the middleware compresses", async () => {
    const body = await received((response) => {
      const gzip = createGzip();
      const write = response.write.bind(response);
      const end = response.end.bind(response);
      gzip.on("data", (data: Buffer) => void write(data));
      gzip.on("end", () => void end());
      response.setHeader("content-encoding", "gzip");
      response.write = (chunk: Uint8Array) => gzip.write(chunk);
      response.end = ((chunk: Uint8Array) => gzip.end(chunk)) as unknown as typeof response.end;
    });
    expect(gunzipSync(body).toString()).toMatch(lines);
  });

  test("if the middleware only observes writes", async () => {
    let seen = "";
    const body = await received((response) => {
      const write = response.write.bind(response);
      response.write = (chunk: Uint8Array) => {
        seen += Buffer.from(chunk).toString();
        return write(chunk);
      };
    });
    expect(body.toString()).toMatch(lines);
    expect(seen).toContain("kiki");
  });
});
