import { expect, test } from "vitest";
import { decodeSignal } from "../../../../src/hub/presence/signals.ts";

const head = { from: "x", beatMs: 1000, haves: 1 };
const signal = (type: string, body: object): string =>
  `comet presence 1 ${type} ${JSON.stringify({ ...head, ...body })}`;
const decode = (text: string): unknown => decodeSignal(text, () => true);

test.each([
  ["have", { parts: [["t", 1, 0, "ann", 2]] }],
  ["want", { topics: ["t", "日本語"], afresh: true }],
])("decodes a signal %s", (type, body) => {
  expect(decode(signal(type, body))).toMatchObject({ type, from: "x" });
});

test.each<[string, object]>([
  ["have", { parts: [["t", 1, 0, "a\nb", 1]] }],
  ["have", { parts: [["t", 1, 0, "a\0b", 1]] }],
  ["have", { parts: [["t", 1, 0, "\ud800", 1]] }],
  ["have", { parts: [["t", 1, 0, "x".repeat(201), 1]] }],
  ["have", { parts: [["t", 1, 0, null, 1]] }],
  ["have", { parts: [["t", 1, 0, "ann"]] }],
  ["have", { parts: [["t", 1, 0, "ann", -1]] }],
  ["have", { parts: [["a\nb", 1, 0]] }],
  ["have", { parts: [["\udc00", 1, 0]] }],
  ["have", { parts: [null] }],
  ["want", { topics: ["a\tb"], afresh: true }],
  ["want", { topics: [""], afresh: true }],
  ["want", { topics: [5], afresh: true }],
])("ignores a signal %s with %j", (type, body) => {
  expect(decode(signal(type, body))).toBeUndefined();
});

test("ignores a signal that is nested a hundred thousand levels deep", () => {
  expect(decode(`comet presence 1 want ${"[".repeat(100_000)}${"]".repeat(100_000)}`)).toBeUndefined();
});
