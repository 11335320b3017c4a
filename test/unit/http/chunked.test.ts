import { describe, expect, test, vi } from "vitest";
import { chunked, comet, Enumeratee, Enumerator, html, type ChunkElement } from "../../../src/index.ts";
import { collect, errorOf, expectCode, Probe, turns } from "../../support/sources.ts";

const later = <E>(...elements: E[]): Enumerator<E> =>
  Enumerator.of(...elements).through(Enumeratee.mapAsync((e) => turns(1).then(() => e)));
const toHtml = Enumeratee.map((s: string) => html`<b>${s}</b>`);

describe("the content type of a chunked response", () => {
  const strings = Enumerator.of("a");
  test.each<[string, AsyncIterable<ChunkElement>, string]>([
    ["strings", strings, "text/plain; charset=utf-8"],
    ["strings to be waited for", later("a"), "text/plain; charset=utf-8"],
    ["Html", strings.through(toHtml), "text/html; charset=utf-8"],
    [
      "Html after other operators",
      Enumerator.from(["a", ""])
        .through(Enumeratee.filter((s) => s === ""))
        .through(toHtml),
      "text/html; charset=utf-8",
    ],
    ["comet", later("a").through(comet({ callback: "f" })), "text/html; charset=utf-8"],
    [
      "comet without initial chunk",
      later("a").through(comet({ callback: "f", initialChunk: null })),
      "text/html; charset=utf-8",
    ],
    ["bytes", Enumerator.of(new Uint8Array(1)), "application/octet-stream"],
    ["nothing", Enumerator.of<string>(), "text/plain; charset=utf-8"],
  ])("%s", async (_, source, type) => {
    const response = chunked(source);
    expect(response.headers.get("content-type")).toBe(type);
    await response.text();
  });

  test("keeps a content type that is set", async () => {
    const response = chunked(strings, { headers: { "Content-Type": "text/csv" } });
    expect(response.headers.get("content-type")).toBe("text/csv");
    expect(await response.text()).toBe("a");
  });

  test("refuses elements of another type, such as an unescaped string among Html", async () => {
    const onError = vi.fn();
    const mixed = Enumerator.of<ChunkElement>(html`<b>`, "<script>");
    await expectCode("ERR_ELEMENT", () => chunked(mixed, { onError }).text(), /text\/html.*the string "<script>"/);
    await expectCode("ERR_ELEMENT", () => chunked(later(html`<b>`), { onError }).text(), /content-type header/);
    expect(onError).toHaveBeenCalledTimes(2);
    const asked = chunked(mixed, { headers: { "content-type": "text/html" } });
    expect(await asked.text()).toBe("<b><script>");
  });

  test.each([[5], [undefined], [{}], [new ArrayBuffer(1)]])("refuses %s as an element", async (element) => {
    const onError = vi.fn();
    await expectCode(
      "ERR_ELEMENT",
      () => chunked(Enumerator.of(element as never), { onError }).text(),
      /must be Html, a string or a/,
    );
    expect(onError).toHaveBeenCalledOnce();
  });
});

describe("headers and status", () => {
  test("are safe by default", () => {
    const plain = Object.fromEntries(chunked(Enumerator.of("a")).headers);
    expect(plain).toEqual({
      "cache-control": "no-store, no-transform",
      "content-type": "text/plain; charset=utf-8",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    });
    const page = chunked(Enumerator.of("a").through(comet({ callback: "f" })));
    expect(page.headers.get("content-security-policy")).toBe("frame-ancestors 'self'");
    expect(page.status).toBe(200);
  });

  test("can be set", () => {
    const headers = { "content-security-policy": "frame-ancestors 'none'", "x-a": "b", "x-accel-buffering": "yes" };
    const response = chunked(Enumerator.of(html`<b>`), { status: 404, headers });
    expect(response.status).toBe(404);
    for (const [name, value] of Object.entries(headers)) expect(response.headers.get(name)).toBe(value);
  });

  test.each([
    ["no-cache", "no-cache, no-transform"],
    ["private, max-age=0", "private, max-age=0, no-transform"],
    ["", "no-transform"],
    ["no-transform", "no-transform"],
    ["no-cache,No-Transform , private", "no-cache,No-Transform , private"],
    ['private="no-transform-x"', 'private="no-transform-x", no-transform'],
  ])("include no-transform in the Cache-Control %j", (given, sent) => {
    const { headers } = chunked(Enumerator.of("a"), { headers: { "cache-control": given } });
    expect(headers.get("cache-control")).toBe(sent);
  });

  test.each([100, 199, 600, 204, 205, 304, 200.5, NaN, "200"])("refuses the status %s", async (status) => {
    await expectCode(
      "ERR_RESPONSE",
      () => chunked(Enumerator.of("a"), { status: status as number }),
      /cannot have the status/,
    );
  });

  test.each([
    [{ "content-length": "5" }],
    [{ "Transfer-Encoding": "chunked" }],
    [{ "a b": "c" }],
    [{ a: "b\r\nc: d" }],
    [{ a: "b\u0001c" }],
    [{ a: "b\u007fc" }],
  ])("refuses the headers %j", async (headers) => {
    await expectCode("ERR_RESPONSE", () => chunked(Enumerator.of("a"), { headers: headers as HeadersInit }));
  });

  test("refuses an invalid onError", async () => {
    await expectCode("ERR_OPTION", () => chunked(Enumerator.of("a"), { onError: 5 as never }));
  });
});

describe("the body", () => {
  test("has one chunk for each element, and none for an empty element", async () => {
    const response = chunked(Enumerator.of("a", "", "ü", "\ud800"));
    const chunks = await collect(response.body as ReadableStream<Uint8Array>);
    expect(chunks.map((chunk) => new TextDecoder().decode(chunk))).toEqual(["a", "ü", "\ufffd"]);
  });

  test("opens its source when it is read, and pulls one element at a time", async () => {
    const probe = new Probe(["a", "b", "c"]);
    const reader = (chunked(probe).body as ReadableStream<Uint8Array>).getReader();
    await turns();
    expect(probe.opened).toBe(0);
    await reader.read();
    await turns();
    expect(probe.pulled).toBe(1);
  });

  test("stops its source when it is cancelled", async () => {
    const probe = new Probe(["a", "b"]);
    const reader = (chunked(probe).body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    expect([probe.pulled, probe.returned]).toEqual([1, 1]);
  });

  test("can be cancelled while its source waits", async () => {
    const stop = vi.fn();
    const reader = (chunked(Enumerator.unicast<string>(() => stop)).body as ReadableStream<Uint8Array>).getReader();
    const waiting = reader.read();
    await turns();
    await reader.cancel();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(stop).toHaveBeenCalledOnce();
  });

  test("calls the functions of a pipeline once for each element, including the first", async () => {
    const f = vi.fn((s: string) => s);
    const response = chunked(Enumerator.of("a", "b").through(Enumeratee.map(f)));
    expect(await response.text()).toBe("ab");
    expect(f).toHaveBeenCalledTimes(2);
  });

  test("leaves its source reusable", async () => {
    const source = Enumerator.of("a", "b").through(Enumeratee.map((s) => s));
    expect(await Promise.all([chunked(source).text(), chunked(source).text()])).toEqual(["ab", "ab"]);
  });

  test.each([
    ["midway", new Probe(["a"], { error: new Error("broken") })],
    ["at once", new Probe<string>([], { error: new Error("broken") })],
    [
      "at hand",
      Enumerator.of("a").through(
        Enumeratee.map((): string => {
          throw new Error("broken");
        }),
      ),
    ],
  ])("breaks off when its source fails %s, and calls onError once", async (_, source) => {
    const onError = vi.fn();
    const error = await errorOf(() => chunked(source, { onError }).text());
    expect((error as Error).message).toBe("broken");
    expect(onError).toHaveBeenCalledExactlyOnceWith(error);
  });

  test("logs to the console when onError is absent", async () => {
    const spy = vi.spyOn(console, "error").mockReturnValue();
    try {
      const error = await errorOf(() => chunked(new Probe(["a"], { error: new Error("broken") })).text());
      expect(spy).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("failed"), error);
    } finally {
      spy.mockRestore();
    }
  });
});
