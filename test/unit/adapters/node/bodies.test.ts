/** Requests with a body, which a stream has no use for: it is discarded, and a client that leaves is noticed. */
import http2 from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler, sendChunked, type ChunkedOutcome } from "../../../../src/adapters/node/index.ts";
import { Enumerator } from "../../../../src/index.ts";
import { notedHub, serveHub, wires } from "../../../support/hub.ts";
import { RawRequest, serve } from "../../../support/servers.ts";
import { liveBytes } from "../../../support/memory.ts";
import { turns, until } from "../../../support/sources.ts";

/** More than the buffers of a connection hold. */
const BODY_BYTES = 24_000_000;

const head = (wire: string, coding: string): string =>
  `GET /?topic=a&wire=${wire} HTTP/1.1\r\nHost: x\r\n${coding}\r\n\r\n`;

/** A body of a length, and one in chunks. */
const codings = [
  ["with Content-Length", `Content-Length: ${BODY_BYTES + 10}`, "x".repeat(BODY_BYTES)],
  ["in chunks", "Transfer-Encoding: chunked", `${(BODY_BYTES + 10).toString(16)}\r\n${"x".repeat(BODY_BYTES)}`],
] as const;

/** Sends bytes, and resolves when the system has taken all of them, which is when the server has read most. */
const send = (request: RawRequest, text: string): Promise<void> =>
  new Promise((resolve) => request.socket.write(text, () => resolve()));

describe.each(wires)("a request with a body for a stream on %s", (wire) => {
  test.each(codings)("%s is read to no effect, and its reset is noticed", async (_, coding, body) => {
    const server = await serveHub({ heartbeatMs: 0 });
    const position = await server.hub.topic("a").publish(0);
    const request = new RawRequest(server.port, head(`${wire}&lastEventId=${position}`, coding));
    await until(() => server.opened.length === 1);
    await send(request, body);
    request.socket.resetAndDestroy();
    await until(() => server.reasons.length === 1);
    expect([server.reasons, server.errors]).toEqual([["client"], []]);
  });
});

test("a held connection needs few bytes, whatever its request was", async () => {
  const { hub, opened } = notedHub();
  const handle = nodeHandler(hub, (request) => ({
    identity: new URLSearchParams(request.url ?? "").get("who") ?? "",
  }));
  const { port } = await serve((response) => void handle(response.req, response));
  const large = Array.from({ length: 10 }, (_, i) => `X-${i}: ${"x".repeat(500)}\r\n`).join("");
  const clients: RawRequest[] = [];
  const open = async (count: number): Promise<void> => {
    const before = opened.length;
    for (let i = 0; i < count; i += 1) {
      const query = `wire=sse&topic=a&who=somebody-whose-name-is-long-${i}&x=${"y".repeat(8000)}`;
      clients.push(new RawRequest(port, `GET /?${query} HTTP/1.1\r\nHost: x\r\n${large}Content-Length: 0\r\n\r\n`));
    }
    await until(() => opened.length === before + count && clients.every(({ received }) => received !== ""));
    await turns();
  };
  await open(20);
  const before = liveBytes();
  await open(200);
  // The clients' own sockets are in this process too. The request alone has 13 KB.
  expect((liveBytes() - before) / 200).toBeLessThan(9000);
});

test("a body that the application reads first is its own", async () => {
  const { hub } = notedHub();
  const bodies: string[] = [];
  const handle = nodeHandler(hub, async (request) => {
    for await (const chunk of request) bodies.push(String(chunk));
    return {};
  });
  const { port } = await serve((response) => {
    // As middleware does that parses bodies: it listens before the handler is called.
    response.req.on("readable", () => undefined);
    void handle(response.req, response);
  });
  const request = new RawRequest(port, `${head("ndjson", "Content-Length: 4")}kiki`);
  await until(() => request.received.includes('"open"'));
  expect(bodies.join("")).toBe("kiki");
});

test("a body on HTTP/2 is read to no effect", async () => {
  const server = await serveHub({ heartbeatMs: 0 }, "http2");
  const session = http2.connect(server.origin);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": "/?topic=a&wire=sse", ":method": "GET" }, { endStream: false });
  stream.on("error", () => undefined).resume();
  // More than the windows of stream and connection, and less than what Node takes for an attack.
  await new Promise((resolve) => stream.write("x".repeat(2_000_000), resolve));
  expect(stream.destroyed).toBe(false);
  await until(() => server.opened.length === 1);
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await until(() => server.reasons.length === 1);
  expect(server.reasons).toEqual(["client"]);
});

describe("sendChunked", () => {
  test("reads the body of a GET request to no effect, and notices a reset", async () => {
    const outcomes: ChunkedOutcome[] = [];
    const source = Enumerator.unicast<string>(() => undefined);
    const { port } = await serve(
      (response) => void sendChunked(response, source).then((outcome) => outcomes.push(outcome)),
    );
    const request = new RawRequest(port, head("", codings[0][1]));
    await send(request, codings[0][2]);
    request.socket.resetAndDestroy();
    await until(() => outcomes.length === 1);
    expect(outcomes).toEqual(["disconnected"]);
  });

  test("leaves the body of a POST request to its source", async () => {
    const { port } = await serve((response) => {
      const source = Enumerator.from(response.req as AsyncIterable<Uint8Array>);
      void sendChunked(response, source);
    });
    const request = new RawRequest(port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nkiki");
    await until(() => request.received.endsWith("\r\n0\r\n\r\n"));
    expect(request.received).toContain("kiki");
  });
});
