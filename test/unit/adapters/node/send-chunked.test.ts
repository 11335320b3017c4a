import { createServer, type ServerResponse } from "node:http";
import http2 from "node:http2";
import type { Socket } from "node:net";
import https from "node:https";
import type { Readable } from "node:stream";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { sendChunked, type ChunkedOutcome, type NodeResponse } from "../../../../src/adapters/node/index.ts";
import { comet, Enumeratee, Enumerator, html, type Channel, type ChunkElement } from "../../../../src/index.ts";
import { liveBytes } from "../../../support/memory.ts";
import { collect, expectCode, Probe, until } from "../../../support/sources.ts";
import { RawRequest, serve, type Protocol } from "../../../support/servers.ts";

/** A source fed by the test, one run at a time. */
function fed(): {
  channel: Channel<string>;
  readonly source: Enumerator<string>;
  readonly runs: { open: number; all: number };
} {
  const runs = { open: 0, all: 0 };
  const made = {
    channel: undefined as unknown as Channel<string>,
    runs,
    source: Enumerator.unicast<string>((channel) => {
      runs.open += 1;
      runs.all += 1;
      made.channel = channel;
      return () => (runs.open -= 1);
    }),
  };
  return made;
}

describe("on HTTP/1.1", () => {
  test("sends each element as a chunk, and the last chunk at the source's end", async () => {
    const outcomes: Promise<ChunkedOutcome>[] = [];
    const { port } = await serve((response) =>
      outcomes.push(sendChunked(response, Enumerator.of("kiki", "", "foo", "bar"))),
    );
    const request = await RawRequest.get(port).has(4);
    expect(request.texts).toEqual(["kiki", "foo", "bar", ""]);
    expect(request.head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(request.head).toMatch(/\r\ntransfer-encoding: chunked/i);
    expect(await outcomes[0]).toBe("ended");
    // The connection serves the next request.
    request.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => outcomes.length === 2);
    expect(await outcomes[1]).toBe("ended");
  });

  test("sends the head before the first element, and each element before the next", async () => {
    const feed = fed();
    const { port } = await serve(
      (response) => void sendChunked(response, feed.source.through(comet({ callback: "f" }))),
    );
    const request = RawRequest.get(port);
    await request.has(1);
    expect(request.texts[0]).toHaveLength(5120 + "<html><body>".length);
    for (const [i, event] of ["kiki", "foo", "bar"].entries()) {
      feed.channel.push(event);
      await request.has(i + 2);
      expect(request.texts[i + 1]).toBe(`<script>f('${event}');</script>`);
    }
  });

  test("sends the head at once if the content type is set", async () => {
    const feed = fed();
    const headers = { "content-type": "text/csv" };
    const { port } = await serve((response) => void sendChunked(response, feed.source, { headers }));
    const request = RawRequest.get(port);
    await until(() => request.received.includes("\r\n\r\n"));
    expect(request.head).toMatch(/content-type: text\/csv/i);
  });

  test("infers the content type from the first element if necessary", async () => {
    const later = Enumerator.interval(5).through(
      Enumeratee.compose(
        Enumeratee.take<number>(2),
        Enumeratee.map((n) => html`<b>${n}</b>`),
      ),
    );
    const { port } = await serve((response) => void sendChunked(response, later));
    const request = await RawRequest.get(port).has(3);
    expect(request.head).toMatch(/content-type: text\/html; charset=utf-8\r\n/i);
    expect(request.texts).toEqual(["<b>0</b>", "<b>1</b>", ""]);
  });

  test("sends an empty source of an unknown type as an empty text", async () => {
    const { port } = await serve((response) => void sendChunked(response, new Probe<string>([])));
    const request = await RawRequest.get(port).has(1);
    expect(request.head).toMatch(/content-type: text\/plain/i);
    expect(request.texts).toEqual([""]);
  });

  test("prefers init to the response's headers and status, and those to the defaults", async () => {
    const { port } = await serve((response) => {
      response.statusCode = 201;
      response.setHeader("X-Kept", "1");
      response.setHeader("Cache-Control", "no-cache");
      response.setHeader("X-Replaced", "old");
      const headers = new Headers({ "x-replaced": "new" });
      headers.append("set-cookie", "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT");
      headers.append("set-cookie", "b=2");
      void sendChunked(response, Enumerator.of("a"), { status: 202, headers });
    });
    const { head } = await RawRequest.get(port).has(2);
    expect(head).toMatch(/^HTTP\/1\.1 202 /);
    for (const line of [
      "x-kept: 1",
      "cache-control: no-cache, no-transform",
      "x-replaced: new",
      "set-cookie: b=2",
      "x-content-type-options: nosniff",
    ]) {
      expect(head.toLowerCase().split("\r\n")).toContain(line);
    }
    expect(head.match(/set-cookie:/gi)).toHaveLength(2);
    expect(head).not.toMatch(/old/);
  });

  test("follows the content type of the response", async () => {
    const { port } = await serve((response) => {
      response.setHeader("content-type", "text/html; charset=utf-8");
      void sendChunked(response, Enumerator.of<ChunkElement>("<b>", html`<i>`));
    });
    const request = await RawRequest.get(port).has(3);
    expect(request.texts).toEqual(["<b>", "<i>", ""]);
    expect(request.head).toMatch(/content-security-policy: frame-ancestors 'self'/i);
  });

  test("aborts without the last chunk, after all earlier elements, when the source fails midway", async () => {
    const onError = vi.fn();
    const error = new Error("broken");
    let outcome: Promise<ChunkedOutcome> | undefined;
    const { port } = await serve((response) => {
      outcome = sendChunked(
        response,
        Enumerator.of("a", "b", "").through(
          Enumeratee.map((s) => {
            if (s === "") throw error;
            return s;
          }),
        ),
        { onError },
      );
    });
    const request = await RawRequest.get(port).over();
    expect(request.texts).toEqual(["a", "b"]);
    expect(request.received.endsWith("b\r\n")).toBe(true);
    expect(onError).toHaveBeenCalledExactlyOnceWith(error);
    expect(await outcome).toBe("failed");
  });

  test("aborts when the source fails later", async () => {
    const onError = vi.fn();
    const feed = fed();
    const { port } = await serve((response) => void sendChunked(response, feed.source, { onError }));
    const request = RawRequest.get(port);
    await until(() => feed.runs.open === 1);
    feed.channel.push("a");
    await request.has(1);
    feed.channel.fail(new Error("broken"));
    await request.over();
    expect(request.texts).toEqual(["a"]);
    expect(onError).toHaveBeenCalledOnce();
    expect(feed.runs.open).toBe(0);
  });

  test("answers 500 when the source fails before the first element", async () => {
    const onError = vi.fn();
    let outcome: Promise<ChunkedOutcome> | undefined;
    const { port } = await serve((response) => {
      response.setHeader("x-secret", "1");
      outcome = sendChunked(response, new Probe<string>([], { error: new Error("secret") }), { onError });
    });
    const request = RawRequest.get(port, "/", "Connection: close\r\n");
    await request.over();
    expect(request.head).toMatch(/^HTTP\/1\.1 500 /);
    expect(request.received).not.toMatch(/secret/);
    expect(onError).toHaveBeenCalledOnce();
    expect(await outcome).toBe("failed");
  });

  test("fails the response when an element is of another kind", async () => {
    const onError = vi.fn();
    const { port } = await serve(
      (response) => void sendChunked(response, Enumerator.of<ChunkElement>(html`<b>`, "<script>"), { onError }),
    );
    const request = await RawRequest.get(port).over();
    expect(request.texts).toEqual(["<b>"]);
    expect(onError).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "ERR_ELEMENT" }));
  });

  test.each(["FIN", "RST"])("stops the source when the client leaves by %s", async (how) => {
    const onError = vi.fn();
    const feed = fed();
    let outcome: Promise<ChunkedOutcome> | undefined;
    const { port } = await serve((response) => {
      outcome = sendChunked(response, feed.source, { onError });
    });
    const request = RawRequest.get(port);
    await until(() => feed.runs.open === 1);
    feed.channel.push("a");
    await request.has(1);
    if (how === "FIN") request.socket.end();
    else request.socket.resetAndDestroy();
    await until(() => feed.runs.open === 0);
    expect(await outcome).toBe("disconnected");
    expect(feed.channel.push("b")).toBe(false);
    expect(onError).not.toHaveBeenCalled();
  });

  test("stops the source when the client leaves before the first element", async () => {
    const feed = fed();
    const { port } = await serve((response) => void sendChunked(response, feed.source));
    const request = RawRequest.get(port);
    await until(() => feed.runs.open === 1);
    request.socket.destroy();
    await until(() => feed.runs.open === 0);
  });

  test("sends a queued response in its turn, and leaves no listener", async () => {
    const sockets = new Set<Socket>();
    let served = 0;
    const { port } = await serve((response) => {
      sockets.add((response as ServerResponse).req.socket);
      served += 1;
      void sendChunked(response, Enumerator.of(`first ${served}`, `second ${served}`));
    });
    const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const request = new RawRequest(port, get.repeat(5));
    await until(() => request.received.includes("second 5") && request.received.endsWith("\r\n0\r\n\r\n"));
    expect(request.received.match(/HTTP\/1\.1 200/g)).toHaveLength(5);
    const [socket] = sockets;
    await until(() => (socket?.listeners("close").length ?? 0) <= 3);
  });

  test("reports an error of the clean-up to onError after the client has left", async () => {
    const onError = vi.fn();
    const error = new Error("cannot clean up");
    let opened = false;
    const source = Enumerator.unicast<string>(() => {
      opened = true;
      return () => {
        throw error;
      };
    });
    const { port } = await serve((response) => void sendChunked(response, source, { onError }));
    const request = RawRequest.get(port);
    await until(() => opened);
    request.socket.destroy();
    await until(() => onError.mock.calls.length > 0);
    expect(onError).toHaveBeenCalledExactlyOnceWith(error);
  });

  test("opens no source if the request has ended before the answer begins", async () => {
    const feed = fed();
    const outcomes: ChunkedOutcome[] = [];
    let isAsked = false;
    const { port } = await serve((response) => {
      isAsked = true;
      response.on("close", () => {
        void sendChunked(response, feed.source).then((outcome) => outcomes.push(outcome));
      });
    });
    const request = RawRequest.get(port);
    await until(() => isAsked);
    request.socket.destroy();
    await until(() => outcomes.length === 1);
    expect([outcomes, feed.runs.all]).toEqual([["disconnected"], 0]);
  });

  test("answers HEAD with the head alone, and opens no source", async () => {
    const feed = fed();
    const outcomes: ChunkedOutcome[] = [];
    const { port } = await serve((response) => {
      void sendChunked(response, feed.source.through(comet({ callback: "f" })), { status: 203 }).then((o) =>
        outcomes.push(o),
      );
    });
    const request = new RawRequest(port, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await request.over();
    expect(request.head).toMatch(/^HTTP\/1\.1 203 /);
    expect(request.head).toMatch(/content-type: text\/html; charset=utf-8/i);
    expect(request.received.endsWith("\r\n\r\n")).toBe(true);
    expect([outcomes, feed.runs.all]).toEqual([["ended"], 0]);
  });

  test("sends an HTTP/1.0 client the plain body, and closes the connection at its end", async () => {
    const { port } = await serve((response) => void sendChunked(response, Enumerator.of("kiki", "foo")));
    const request = await new RawRequest(port, "GET / HTTP/1.0\r\n\r\n").over();
    expect(request.head).not.toMatch(/transfer-encoding/i);
    expect(request.received.endsWith("\r\n\r\nkikifoo")).toBe(true);
  });

  test("rejects a response whose head was sent, and an invalid init", async () => {
    const errors: unknown[] = [];
    const { port } = await serve((response) => {
      const attempt = (act: () => unknown): void => {
        try {
          act();
        } catch (error) {
          errors.push(error);
        }
      };
      attempt(() => sendChunked(response, Enumerator.of("a"), { status: 204 }));
      attempt(() => sendChunked(response, Enumerator.of("a"), { headers: { "content-length": "1" } }));
      (response as ServerResponse).flushHeaders();
      attempt(() => sendChunked(response, Enumerator.of("a")));
      response.end();
    });
    await RawRequest.get(port, "/", "Connection: close\r\n").over();
    expect(errors.map((error) => (error as { code: string }).code)).toEqual([
      "ERR_RESPONSE",
      "ERR_RESPONSE",
      "ERR_RESPONSE",
    ]);
  });
});

describe("backpressure", () => {
  test("buffers less than 1 MiB for a client that never reads, and sends it all data when it reads", async () => {
    const total = 20_000;
    const pulled: { [path: string]: number } = {};
    const buffered: { [path: string]: () => number } = {};
    const { port } = await serve((response) => {
      const { url = "" } = response.req;
      buffered[url] = () => response.writableLength + (response.socket?.writableLength ?? 0);
      const source = Enumerator.unfold(0, (i): readonly [string, number] | undefined => {
        if (i === total) return undefined;
        pulled[url] = i + 1;
        return [`${i}`.padEnd(1024, "."), i + 1];
      });
      void sendChunked(response, source);
    });
    const slow = RawRequest.get(port, "/slow");
    slow.socket.pause();
    await until(() => (pulled["/slow"] ?? 0) > 0);
    // While one client reads all data, the other, which does not read, fills its buffers.
    const quick = RawRequest.get(port, "/quick");
    await until(() => quick.received.endsWith("\r\n0\r\n\r\n"));
    expect(pulled["/slow"]).toBeLessThan(total);
    expect(buffered["/slow"]?.()).toBeLessThan(256 * 1024);
    // Listing the chunks of 20 MB again and again would be slow: only the end is waited for.
    slow.socket.resume();
    await until(() => slow.received.endsWith("\r\n0\r\n\r\n"));
    expect(slow.texts).toHaveLength(total + 1);
  });

  test("buffers less than 1 MiB for each of 100 clients that never read", async () => {
    const source = Enumerator.unfold(0, (i) => [`${i}`.padEnd(65_536, "."), i + 1]);
    const responses: NodeResponse[] = [];
    const { port } = await serve((response) => {
      responses.push(response);
      void sendChunked(response, source);
    });
    const before = liveBytes();
    const requests = Array.from({ length: 100 }, () => RawRequest.get(port));
    for (const request of requests) request.socket.pause();
    // All of them pause once the system's buffers are full.
    await until(() => responses.length === 100 && responses.every((response) => response.writableNeedDrain));
    // The memory of the paused clients, in the same process, is counted too.
    expect(liveBytes() - before).toBeLessThan(100 * 1024 * 1024);
  });
});

describe("leaves nothing behind", () => {
  test("after 1,000 connects and disconnects", async () => {
    const feed = fed();
    const ticking = Enumerator.interval(10_000).through(Enumeratee.map(String));
    let served = 0;
    const server = createServer((request, response) => {
      served += 1;
      void sendChunked(response, request.url === "/tick" ? ticking : feed.source.through(comet({ callback: "f" })));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    for (let round = 0; round < 20; round += 1) {
      const requests = Array.from({ length: 50 }, (_, i) => RawRequest.get(port, i % 2 === 0 ? "/tick" : "/"));
      await until(() => served === (round + 1) * 50);
      for (const request of requests) request.socket.destroy();
    }
    expect(feed.runs.all).toBe(500);
    await until(() => feed.runs.open === 0);
    await until(() => timers() <= before);
    const connections = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    expect(connections).toBe(0);
  });
});

describe.each<Protocol>(["https", "http2", "http2 over TLS"])("over %s", (protocol) => {
  /** The body as it arrives, and its end: `undefined` is a clean end, a string is the error's code. */
  async function get(
    origin: string,
    onData: (text: string) => void = () => undefined,
  ): Promise<{ head: Record<string, unknown>; error: string | undefined }> {
    if (protocol === "https") {
      return new Promise((resolve) => {
        https.get(origin, { rejectUnauthorized: false, agent: false }, (response) => {
          const done = (error?: NodeJS.ErrnoException): void =>
            resolve({ head: { ":status": response.statusCode, ...response.headers }, error: error?.code });
          response
            .setEncoding("utf8")
            .on("data", onData)
            .on("end", () => done())
            .on("error", done);
        });
      });
    }
    const session = http2.connect(origin, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    return new Promise((resolve) => {
      let head: Record<string, unknown> = {};
      const stream = session.request({ ":path": "/" });
      stream
        .setEncoding("utf8")
        .on("data", onData)
        .on("response", (headers) => (head = headers));
      stream
        .on("end", () => undefined)
        .on("error", (error: NodeJS.ErrnoException) => resolve({ head, error: error.code ?? "" }));
      stream.on("close", () => resolve({ head, error: stream.rstCode === 0 ? undefined : `RST ${stream.rstCode}` }));
    });
  }

  test("sends each element at once, and ends the response at the source's end", async () => {
    const feed = fed();
    let outcome: Promise<ChunkedOutcome> | undefined;
    const { origin } = await serve((response) => {
      outcome = sendChunked(response, feed.source.through(comet({ callback: "f" })));
    }, protocol);
    let received = "";
    const answer = get(origin, (text) => (received += text));
    for (const event of ["kiki", "foo"]) {
      await until(() => feed.runs.open === 1);
      feed.channel.push(event);
      await until(() => received.endsWith(`<script>f('${event}');</script>`));
    }
    feed.channel.end();
    const { head, error } = await answer;
    expect(error).toBeUndefined();
    expect(await outcome).toBe("ended");
    expect(head[":status"]).toBe(200);
    expect(head["content-type"]).toBe("text/html; charset=utf-8");
    if (protocol !== "https") expect(Object.keys(head)).not.toContain("transfer-encoding");
  });

  test("skips empty elements, and leaves the others intact", async () => {
    const feed = fed();
    const { origin } = await serve((response) => void sendChunked(response, feed.source), protocol);
    let received = "";
    const answer = get(origin, (text) => (received += text));
    await until(() => feed.runs.open === 1);
    for (const element of ["a", "b", ""]) feed.channel.push(element);
    await until(() => received.length >= 2);
    for (const element of ["", "c", "", "d", ""]) feed.channel.push(element);
    feed.channel.end();
    await answer;
    expect(received).toBe("abcd");
  });

  test("aborts, after all earlier elements, when the source fails midway", async () => {
    const onError = vi.fn();
    const { origin } = await serve(
      (response) => void sendChunked(response, new Probe(["a", "b"], { error: new Error("broken") }), { onError }),
      protocol,
    );
    let received = "";
    const { error } = await get(origin, (text) => (received += text));
    expect(received).toBe("ab");
    expect(error).toBe(protocol === "https" ? "ECONNRESET" : "ERR_HTTP2_STREAM_ERROR");
    expect(onError).toHaveBeenCalledOnce();
  });

  test("stops the source when the client leaves", async () => {
    const feed = fed();
    const outcomes: ChunkedOutcome[] = [];
    const { origin } = await serve(
      (response) => void sendChunked(response, feed.source).then((o) => outcomes.push(o)),
      protocol,
    );
    const leave =
      protocol === "https"
        ? (
            (request) => () =>
              request.destroy()
          )(https.get(origin, { rejectUnauthorized: false, agent: false }).on("error", () => undefined))
        : ((session) => {
            const stream = session.request({ ":path": "/" }).on("error", () => undefined);
            onTestFinished(() => session.destroy());
            return () => stream.close(http2.constants.NGHTTP2_CANCEL);
          })(http2.connect(origin, { rejectUnauthorized: false }));
    await until(() => feed.runs.open === 1);
    leave();
    await until(() => feed.runs.open === 0);
    expect(outcomes).toEqual(["disconnected"]);
  });

  test("answers HEAD with the head alone, and opens no source", async () => {
    const feed = fed();
    const outcomes: ChunkedOutcome[] = [];
    const { origin } = await serve(
      (response) => void sendChunked(response, feed.source).then((o) => outcomes.push(o)),
      protocol,
    );
    if (protocol === "https") https.request(origin, { method: "HEAD", rejectUnauthorized: false, agent: false }).end();
    else {
      const session = http2.connect(origin, { rejectUnauthorized: false });
      onTestFinished(() => session.destroy());
      session.request({ ":path": "/", ":method": "HEAD" }).resume();
    }
    await until(() => outcomes.length === 1);
    expect([outcomes, feed.runs.all]).toEqual([["ended"], 0]);
  });

  test("stops pulling when the client never reads", async () => {
    const pulled: { [path: string]: number } = {};
    const { origin } = await serve((response) => {
      const { url = "" } = response.req;
      const endless = Enumerator.unfold(0, (i) => [`${(pulled[url] = i)}`.padEnd(1024, "."), i + 1]);
      void sendChunked(response, endless);
    }, protocol);
    const get = (path: string, read: (stream: Readable) => void): void => {
      if (protocol === "https") {
        const request = https.get(origin + path, { rejectUnauthorized: false, agent: false }, read);
        request.on("error", () => undefined);
        onTestFinished(() => void request.destroy());
      } else {
        const session = http2.connect(origin, { rejectUnauthorized: false });
        onTestFinished(() => session.destroy());
        const stream = session.request({ ":path": path });
        stream.on("error", () => undefined);
        read(stream);
      }
    };
    get("/slow", (stream) => void stream.pause());
    await until(() => (pulled["/slow"] ?? 0) > 0);
    // While one client reads 32 MiB, the other, which does not read, fills its buffers.
    let received = 0;
    get("/quick", (stream) => stream.on("data", (data: Buffer) => (received += data.length)));
    await until(() => received > 32 * 1024 * 1024);
    expect(pulled["/slow"]).toBeLessThan(32 * 1024);
  });
});

test("rejects invalid arguments before it changes the response", async () => {
  await expectCode("ERR_OPTION", () => sendChunked({} as never, Enumerator.of("a"), { onError: 1 as never }));
  expect(await collect(Enumerator.of("a"))).toEqual(["a"]);
});
