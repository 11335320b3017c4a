import { expect, test } from "vitest";
import type { WireItem } from "../../../support/decoders/wire-item.ts";
import { SseDecoder } from "../../../support/decoders/sse-decoder.ts";
import { expectFrameError } from "../../../support/decoders/frame-error.ts";
import { errorOf, expectCode } from "../../../support/sources.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function decode(stream: string): WireItem[] {
  const items: WireItem[] = [];
  const decoder = new SseDecoder({ onItem: (item) => items.push(item) });
  decoder.feed(utf8(stream));
  decoder.end();
  return items;
}

test("reads PROTOCOL.md's example, and the fields that may follow", () => {
  const stream = `event: comet:open
id: news=k3f9x20.4
retry: 2000
data: {"states":{"news":"fresh"},"position":"news=k3f9x20.4","heartbeatMs":15000}

id: news=k3f9x20.5
data: {"title":"Comet returns"}

event: comet:heartbeat
data:

event: weather
data: rain
data: and snow

event: comet:gap
id: news=k3f9x20.17
data: {"topic":"news","missed":12,"position":"news=k3f9x20.17"}

data

event: comet:end
id: news=k3f9x20.17
retry: 0
data: {"reason":"recycle","position":"news=k3f9x20.17","retryMs":0}

data: cut
`;
  expect(decode(stream)).toStrictEqual([
    { type: "open", states: { news: "fresh" }, position: "news=k3f9x20.4", heartbeatMs: 15000 },
    { type: "message", id: "news=k3f9x20.5", data: '{"title":"Comet returns"}' },
    { type: "heartbeat" },
    { type: "message", id: "news=k3f9x20.5", event: "weather", data: "rain\nand snow" },
    { type: "gap", topic: "news", missed: 12, position: "news=k3f9x20.17" },
    { type: "message", id: "news=k3f9x20.17", data: "" },
    { type: "end", reason: "recycle", position: "news=k3f9x20.17", retryMs: 0 },
  ]);
});

test("reads the streams of other servers, without ids", () => {
  expect(decode(":ok\n\ndata: a\n\n")).toEqual([{ type: "message", id: "", data: "a" }]);
});

test.each(["comet:news", "comet:", "comet:error", "comet:message", "comet:__proto__"])(
  "ignores an event %s",
  (name) => {
    expect(decode(`event: ${name}\ndata: x\n\n`)).toEqual([]);
  },
);

test.each(["comet", "Comet:open", "xcomet:open"])("reads an event %s as a message", (name) => {
  expect(decode(`event: ${name}\ndata: x\n\n`)).toEqual([{ type: "message", id: "", event: name, data: "x" }]);
});

test.each([
  ["event: comet:open\ndata: x\n\n", /not JSON/],
  ["event: comet:gap\ndata:\n\n", /not JSON/],
  ["event: comet:end\ndata: []\n\n", /The item end is an object of type Array/],
  ['event: comet:end\ndata: {"reason":"drain","position":"p"}\n\n', /retryMs of an item end is missing/],
  [`data: ${"x".repeat(1 << 20)}`, /longer than 1048576 bytes/],
])("throws a FrameError for %.50j", async (stream, message) => {
  await expectFrameError(() => decode(stream), message);
});

test("rethrows the same error on every later call, including an error of onItem", async () => {
  const thrown = new Error("from onItem");
  const decoder = new SseDecoder({
    onItem: () => {
      throw thrown;
    },
  });
  expect(await errorOf(() => decoder.feed(utf8("data: a\n\ndata: b\n\n")))).toBe(thrown);
  expect(await errorOf(() => decoder.feed(utf8("\n")))).toBe(thrown);
  expect(await errorOf(() => decoder.end())).toBe(thrown);
});

test("throws ERR_OPTION for an invalid option", async () => {
  await expectCode("ERR_OPTION", () => new SseDecoder({ onItem: "x" as never }), /onItem must be a function/);
  await expectCode("ERR_OPTION", () => new SseDecoder({ onItem: () => {}, maxFrameBytes: 10 }), /maxFrameBytes/);
});
