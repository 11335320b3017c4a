import { expect, test } from "vitest";
import type { WireItem } from "../../../support/decoders/wire-item.ts";
import { PollDecoder } from "../../../support/decoders/poll-decoder.ts";
import { expectFrameError } from "../../../support/decoders/frame-error.ts";
import { errorOf } from "../../../support/sources.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function decode(body: string | Uint8Array): WireItem[] {
  const items: WireItem[] = [];
  const decoder = new PollDecoder({ onItem: (item) => items.push(item), maxFrameBytes: 1024 });
  decoder.feed(typeof body === "string" ? utf8(body) : body);
  expect(items).toEqual([]);
  decoder.end();
  return items;
}

test("emits the items of a body at its end, and ignores other objects", () => {
  const body = `[{"open":{"states":{"a":"recovered"},"position":"a=x.1","heartbeatMs":0}},
    {"id":"a=x.2","data":"one"},{"news":1}, {"end":{"reason":"poll","position":"a=x.2","retryMs":0}}]\n`;
  expect(decode(body)).toEqual([
    { type: "open", states: { a: "recovered" }, position: "a=x.1", heartbeatMs: 0 },
    { type: "message", id: "a=x.2", data: "one" },
    { type: "end", reason: "poll", position: "a=x.2", retryMs: 0 },
  ]);
  expect(decode("[]")).toEqual([]);
});

test.each([
  ["", /not JSON/],
  ['[{"id":"a","data":1}', /not JSON/],
  ["[],", /not JSON/],
  ["{}", /not an array/],
  ["null", /body is null/],
  ["[1]", /is 1, and not an object/],
  ['[{"data":1}]', /id of an item message is missing/],
  [Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d), /not UTF-8/],
  [`[${" ".repeat(1023)}]`, /longer than 1024 bytes/],
])("throws a FrameError for %j", async (body, message) => {
  await expectFrameError(() => decode(body), message);
});

test("reads nothing after a body failed or ended", async () => {
  const failed = new PollDecoder({ onItem: () => {} });
  const error = await errorOf(() => failed.end());
  expect(await errorOf(() => failed.end())).toBe(error);
  expect(await errorOf(() => failed.feed(utf8("[]")))).toBe(error);

  const items: WireItem[] = [];
  const ended = new PollDecoder({ onItem: (item) => items.push(item) });
  ended.feed(utf8('[{"id":"a","data":1}]'));
  ended.end();
  ended.end();
  expect(items).toHaveLength(1);
  await expectFrameError(() => ended.feed(utf8("[]")), /after the end/);
});
