import { expect, test } from "vitest";
import { decodeMessage } from "../../../../src/hub/topics/encode-message.ts";
import type { BrokerMessage } from "../../../../src/log/broker.ts";
import { expectCode } from "../../../support/sources.ts";

const message = (json: string, fields: Partial<BrokerMessage> = {}): BrokerMessage => ({
  offset: 1,
  at: 1,
  json,
  event: undefined,
  key: undefined,
  messageId: undefined,
  ...fields,
});

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

test.each([
  ['{"\\u005f_proto__":1}', '{"__proto__":1}'],
  ['{"\\u005F\\u005fproto__":{"a":"</script>"}}', '{"__proto__":{"a":"\\u003c/script>"}}'],
  ['{"b":1,"a":2,"b":3}', '{"b":3,"a":2}'],
  ["\t[1 , 2]\r\n", "[1,2]"],
  ["1.50", "1.5"],
  ["-0", "-0"],
  ["9007199254740993", "9007199254740992"],
  ['"\\u003C\\/\\u0061"', '"\\u003c/a"'],
  ['"\\ud800"', '"\\ud800"'],
  [nested(500), nested(500)],
])("encodes %s from a broker again", (given, expected) => {
  const { json, bytes } = decodeMessage("t", message(given), 65_536);
  expect(json).toBe(expected);
  expect(bytes).toBe(expected.length);
});

test.each<[string, unknown, Partial<BrokerMessage>]>([
  ["nesting of 501 levels", nested(501), {}],
  ["nesting of a million levels", nested(1_000_000), {}],
  ["a number beyond the range", "[1e400]", {}],
  ["no JSON", "</script>", {}],
  ["an empty text", "", {}],
  ["no text", undefined, {}],
  ["bytes instead of text", new Uint8Array(1), {}],
  ["a fault", '"x"', { fault: "is of another program" }],
  ["an event of the protocol", "1", { event: "comet:open" }],
  ["an event of the clients", "1", { event: "error" }],
  ["an event with a line end", "1", { event: "a\r" }],
  ["an event that is null", "1", { event: null as never }],
  ["a key that is a number", "1", { key: 5 as never }],
  ["a key with NUL", "1", { key: "\0" }],
  ["an empty messageId", "1", { messageId: "" }],
  ["a messageId with a lone surrogate", "1", { messageId: "\udc00" }],
])("rejects a message from a broker with %s", async (_, json, fields) => {
  await expectCode("ERR_MESSAGE", () => decodeMessage("t", message(json as string, fields), 4_000_000));
});

test("rejects a message from a broker that is larger than its limit", async () => {
  expect(decodeMessage("t", message('"éé"'), 6).bytes).toBe(6);
  await expectCode("ERR_MESSAGE", () => decodeMessage("t", message('"éé"'), 5), /6 bytes.*limit is 5/);
});
