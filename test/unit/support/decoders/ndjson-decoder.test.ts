import { describe, expect, test } from "vitest";
import type { DecoderOptions } from "../../../support/decoders/decoder.ts";
import type { WireItem } from "../../../support/decoders/wire-item.ts";
import { NdjsonDecoder } from "../../../support/decoders/ndjson-decoder.ts";
import { expectFrameError } from "../../../support/decoders/frame-error.ts";
import { errorOf, expectCode } from "../../../support/sources.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function decode(...chunks: (string | Uint8Array)[]): WireItem[] {
  const items: WireItem[] = [];
  const decoder = new NdjsonDecoder({ onItem: (item) => items.push(item) });
  for (const chunk of chunks) decoder.feed(typeof chunk === "string" ? utf8(chunk) : chunk);
  decoder.end();
  return items;
}

test("reads PROTOCOL.md's example", () => {
  const stream = `{"open":{"states":{"news":"fresh"},"position":"news=k3f9x20.4","heartbeatMs":15000}}
{"id":"news=k3f9x20.5","data":{"title":"Comet returns"}}

{"gap":{"topic":"news","missed":12,"position":"news=k3f9x20.17"}}
{"end":{"reason":"recycle","position":"news=k3f9x20.17","retryMs":0}}
`;
  expect(decode(stream)).toEqual([
    { type: "open", states: { news: "fresh" }, position: "news=k3f9x20.4", heartbeatMs: 15000 },
    { type: "message", id: "news=k3f9x20.5", data: { title: "Comet returns" } },
    { type: "heartbeat" },
    { type: "gap", topic: "news", missed: 12, position: "news=k3f9x20.17" },
    { type: "end", reason: "recycle", position: "news=k3f9x20.17", retryMs: 0 },
  ]);
});

describe("lines", () => {
  test("are emitted as soon as they end", () => {
    const items: WireItem[] = [];
    const decoder = new NdjsonDecoder({ onItem: (item) => items.push(item) });
    decoder.feed(utf8('\n{"id":"a","data":1}'));
    expect(items).toEqual([{ type: "heartbeat" }]);
    decoder.feed(utf8("\n"));
    expect(items).toHaveLength(2);
  });

  test("are dropped if they are incomplete", () => {
    expect(decode('{"id":"a","data":1}\n{"id":"b","data":2}')).toHaveLength(1);
    expect(decode('{"id":')).toEqual([]);
  });

  test("may end with CRLF", () => {
    expect(decode('{"id":"a","data":1}\r\n\r\n')).toEqual([
      { type: "message", id: "a", data: 1 },
      { type: "heartbeat" },
    ]);
  });

  test("end at LF only", () => {
    expect(decode('{"id":"a\u2028","data":"\u0085"}\n')).toEqual([{ type: "message", id: "a\u2028", data: "\u0085" }]);
  });
});

describe("objects", () => {
  test.each([
    [
      '{"id":"a","event":"e","key":"k","messageId":"m","data":null}',
      { id: "a", event: "e", key: "k", messageId: "m", data: null },
    ],
    ['{"data":[{}],"id":"","more":1,"open":2}', { id: "", data: [{}] }],
  ])("%s is a message", (line, message) => {
    expect(decode(`${line}\n`)).toStrictEqual([{ type: "message", ...message }]);
  });

  test.each(["{}", '{"id":"a"}', '{"news":{}}', '{"__proto__":{"data":1,"id":"a"}}', '{"toString":1}'])(
    "%s is ignored",
    (line) => {
      expect(decode(`${line}\n`)).toEqual([]);
    },
  );

  test("omit unknown members of items", () => {
    const gap = '{"gap":{"topic":"t","missed":null,"position":"p","more":1,"__proto__":{"a":1}},"more":1}\n';
    const [item] = decode(gap);
    expect(item).toStrictEqual({ type: "gap", topic: "t", missed: null, position: "p" });
    expect(Object.getPrototypeOf(item)).toBe(Object.prototype);
  });

  test("may have a topic called __proto__, and an unknown reason", () => {
    const line = '{"open":{"states":{"__proto__":"gap","constructor":"fresh"},"position":"","heartbeatMs":0}}\n';
    const [open] = decode(line);
    const states = open?.type === "open" ? Object.entries(open.states) : [];
    expect(states).toEqual([
      ["__proto__", "gap"],
      ["constructor", "fresh"],
    ]);
    for (const reason of ["moved", "__proto__", "constructor"]) {
      const [end] = decode(`{"end":{"reason":"${reason}","position":"p","retryMs":null}}\n`);
      expect(end).toEqual({ type: "end", reason: "recycle", position: "p", retryMs: null });
    }
  });

  test("have only their own members when a page has changed Object.prototype", async () => {
    const polluted = { configurable: true, value: {} };
    Object.defineProperties(Object.prototype, {
      open: polluted,
      data: polluted,
      position: { ...polluted, value: "p" },
    });
    try {
      expect(decode("{}\n")).toEqual([]);
      await expectFrameError(() => decode('{"gap":{"topic":"t","missed":1}}\n'), /position .* is missing/);
    } finally {
      for (const name of ["open", "data", "position"]) Reflect.deleteProperty(Object.prototype, name);
    }
  });

  test("with an unknown state are read as a gap", () => {
    const open = '{"open":{"states":{"a":"new","b":"recovered"},"position":"p","heartbeatMs":0}}\n';
    expect(decode(open)).toMatchObject([{ type: "open", states: { a: "gap", b: "recovered" } }]);
  });

  test("with a problem are items", () => {
    const problem = '{"error":{"type":"urn:x","title":"Bad Request","status":400,"code":"ERR_TOPIC","detail":"d"}}\n';
    expect(decode(problem)).toEqual([
      {
        type: "error",
        problem: { type: "urn:x", title: "Bad Request", status: 400, code: "ERR_TOPIC", detail: "d" },
      },
    ]);
  });
});

describe("FrameError", () => {
  test.each([
    ["x", /not JSON: the string "x"/],
    ['{"id":"a","data":1}}', /not JSON/],
    ['\ufeff{"id":"a","data":1}', /not JSON/],
    ["x".repeat(1000), /^.{1,80}$/],
    ["1", /is 1, and not an object/],
    ["null", /is null/],
    ["[]", /of type Array/],
    ['{"data":1}', /The id of an item message is missing/],
    ['{"id":1,"data":1}', /The id of an item message is wrong: 1/],
    ['{"id":"a","event":null,"data":1}', /The event of an item message is wrong: null/],
    ['{"id":"a","key":{},"data":1}', /key/],
    ['{"id":"a","messageId":7,"data":1}', /messageId/],
    ['{"__proto__":{"id":"a"},"data":1}', /id/],
    ['{"open":null}', /The item open is null/],
    ['{"open":[]}', /open/],
    ['{"open":{"states":[],"position":"p","heartbeatMs":0}}', /states/],
    ['{"open":{"states":{"a":1},"position":"p","heartbeatMs":0}}', /states/],
    ['{"open":{"states":{},"position":1,"heartbeatMs":0}}', /position/],
    ['{"open":{"states":{},"position":"p","heartbeatMs":-1}}', /heartbeatMs/],
    ['{"open":{"states":{},"position":"p","heartbeatMs":1e999}}', /heartbeatMs/],
    ['{"gap":{"topic":"t","position":"p"}}', /missed of an item gap is missing/],
    ['{"gap":{"topic":"t","missed":"1","position":"p"}}', /missed/],
    ['{"end":{"reason":null,"position":"p","retryMs":0}}', /reason/],
    ['{"end":{"reason":"drain","position":"p","retryMs":"0"}}', /retryMs/],
    ['{"error":{"type":"urn:x","title":"t","status":"400","code":"c","detail":"d"}}', /status/],
  ])("%s", async (line, message) => {
    await expectFrameError(() => decode(`${line}\n`), message);
  });

  test("is thrown for invalid UTF-8", async () => {
    await expectFrameError(() => decode('{"id":"a","data":"', Uint8Array.of(0xc3), '"}\n'), /not UTF-8/);
  });

  test("is thrown for a line over the limit, complete or not", async () => {
    const decoder = (): NdjsonDecoder => new NdjsonDecoder({ onItem: () => {}, maxFrameBytes: 1024 });
    decoder().feed(utf8(`${" ".repeat(1024)}\n`.repeat(3)));
    await expectFrameError(() => decoder().feed(utf8(`${" ".repeat(1025)}\n`)), /longer than 1024 bytes/);
    const slow = decoder();
    for (let i = 0; i < 1024; i += 1) slow.feed(utf8(" "));
    await expectFrameError(() => slow.feed(utf8(" ")), /longer than 1024 bytes/);
  });

  test("is thrown again by every later call", async () => {
    const items: WireItem[] = [];
    const decoder = new NdjsonDecoder({ onItem: (item) => items.push(item) });
    const error = await errorOf(() => decoder.feed(utf8('\n?\n{"id":"a","data":1}\n')));
    expect(await errorOf(() => decoder.feed(utf8("\n")))).toBe(error);
    expect(await errorOf(() => decoder.end())).toBe(error);
    expect(items).toEqual([{ type: "heartbeat" }]);
  });

  test("is thrown for bytes after the end", async () => {
    const decoder = new NdjsonDecoder({ onItem: () => {} });
    decoder.end();
    decoder.end();
    await expectFrameError(() => decoder.feed(utf8("\n")), /after the end/);
  });
});

test("rethrows an error of onItem, and ends", async () => {
  const decoder = new NdjsonDecoder({
    onItem: () => {
      throw undefined;
    },
  });
  for (let i = 0; i < 2; i += 1) expect(await errorOf(() => decoder.feed(utf8("\n")))).toBe(undefined);
  expect(await errorOf(() => decoder.end())).toBe(undefined);
});

test("throws ERR_OPTION for invalid options and bytes", async () => {
  const onItem = (): void => {};
  for (const options of [{}, { onItem: 1 }, { onItem, maxFrameBytes: 1 }, { onItem, maxFrameBytes: null }]) {
    await expectCode("ERR_OPTION", () => new NdjsonDecoder(options as unknown as DecoderOptions));
  }
  const decoder = new NdjsonDecoder({ onItem: () => {} });
  await expectCode("ERR_OPTION", () => decoder.feed("\n" as unknown as Uint8Array), /feed takes bytes, not the string/);
  decoder.feed(utf8("\n"));
});

test("reads a megabyte in one-byte chunks without a slowdown", () => {
  const items: WireItem[] = [];
  const decoder = new NdjsonDecoder({ onItem: (item) => items.push(item) });
  for (const byte of utf8(`{"id":"a","data":"${"x".repeat(1_000_000)}"}\n`)) decoder.feed(Uint8Array.of(byte));
  expect(items).toHaveLength(1);
});
