import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventStreamParser, type ServerEvent } from "../../../src/client/fetch-events/event-stream-parser.ts";

/** The events of pieces of text, and the parser. */
function parse(
  pieces: readonly string[],
  before?: EventStreamParser,
  maxLength = 1000,
): [ServerEvent[], EventStreamParser] {
  const parser = new EventStreamParser(maxLength, before);
  return [pieces.flatMap((piece) => [...parser.feed(piece)]), parser];
}

/** Type, data and id of each event, as `type data id`. */
const brief = (events: readonly ServerEvent[]): string[] =>
  events.map(({ type, data, lastEventId }) => JSON.stringify([type, data, lastEventId]));

describe("an event", () => {
  test.each([
    ["has the name `message` without a field `event`", "data: a\n\n", [["message", "a", ""]]],
    ["has the name of its field `event`", "event: x\ndata: a\n\n", [["x", "a", ""]]],
    [
      "forgets the name of the event before",
      "event: x\ndata: a\n\ndata: b\n\n",
      [
        ["x", "a", ""],
        ["message", "b", ""],
      ],
    ],
    ["joins its lines of data", "data: a\ndata:\ndata: b\n\n", [["message", "a\n\nb", ""]]],
    ["loses one space after the colon", "data:  a\ndata:b\n\n", [["message", " a\nb", ""]]],
    ["may have fields without a colon", "data\ndata\n\n", [["message", "\n", ""]]],
    ["is none without data", "event: x\n\ndata: a\n\n", [["message", "a", ""]]],
    ["may be empty", "data:\n\n", [["message", "", ""]]],
    ["ignores comments and unknown fields", ": c\nother: 1\n data: no\ndata: a\n\n", [["message", "a", ""]]],
    ["keeps colons in its data", "data: a: b:c\n\n", [["message", "a: b:c", ""]]],
    [
      "ends with CR",
      "data: a\r\rdata: b\r\r",
      [
        ["message", "a", ""],
        ["message", "b", ""],
      ],
    ],
    [
      "ends with CRLF",
      "data: a\r\n\r\ndata: b\r\n\r\n",
      [
        ["message", "a", ""],
        ["message", "b", ""],
      ],
    ],
    [
      "ends with a mixture",
      "data: a\r\n\ndata: b\n\r\ndata: c\r\r",
      [
        ["message", "a", ""],
        ["message", "b", ""],
        ["message", "c", ""],
      ],
    ],
    ["is not complete without an empty line", "data: a\n\ndata: b\n", [["message", "a", ""]]],
    [
      "has the last id before it",
      "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
      [
        ["message", "a", "1"],
        ["message", "b", "1"],
        ["message", "c", ""],
      ],
    ],
    [
      "has no id with NUL",
      "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n",
      [
        ["message", "a", "1"],
        ["message", "b", "1"],
      ],
    ],
    ["may only set the id", "id: 7\n\ndata: a\n\n", [["message", "a", "7"]]],
  ])("%s", (_, text, expected) => {
    const [events] = parse([text]);
    expect(brief(events)).toEqual(expected.map((event) => JSON.stringify(event)));
  });
});

test("parses a stream that is split anywhere as the whole", () => {
  const fields = ["data: a", "data:b", "data", "event: x", "id: 7", "id", "retry: 5", ": c", "", "x"];
  const stream = fc
    .array(fc.tuple(fc.constantFrom(...fields), fc.constantFrom("\n", "\r", "\r\n")))
    .map((lines) => lines.flat().join(""));
  fc.assert(
    fc.property(stream, fc.array(fc.nat(200)), (text, cuts) => {
      const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((end, i) => text.slice(places[i], end));
      const [whole, wholeParser] = parse([text]);
      const [split, splitParser] = parse(pieces);
      expect(split).toEqual(whole);
      expect([splitParser.lastEventId, splitParser.retryMs]).toEqual([wholeParser.lastEventId, wholeParser.retryMs]);
    }),
  );
});

test("completes an event at a CR, without waiting for the LF that may follow", () => {
  const parser = new EventStreamParser(100);
  expect([...parser.feed("data: a\r\r")]).toHaveLength(1);
  expect([...parser.feed("\ndata: b\n\n")].map(({ data }) => data)).toEqual(["b"]);
});

test("keeps the id of a complete event only", () => {
  const [, parser] = parse(["id: 1\ndata: a\n\nid: 2\ndata: b\n"]);
  expect(parser.lastEventId).toBe("1");
});

test("begins with the id and the delay of the connection before, but without its unfinished event", () => {
  const [, first] = parse(["id: 1\nretry: 50\ndata: a\n\nid: 2\ndata: b\ndata: c"]);
  const [events, second] = parse(["data: d\n\n"], first);
  expect(brief(events)).toEqual([JSON.stringify(["message", "d", "1"])]);
  expect(second.retryMs).toBe(50);
});

test.each([
  ["5", 5],
  ["0", 0],
  ["-1", 0],
  ["5s", 0],
  ["1.5", 0],
  ["٣", 0],
  ["99999999999999999999", 2_147_483_647],
])("reads retry: %s as %i", (text, expected) => {
  const [, parser] = parse([`retry: ${text}\n\n`]);
  expect(parser.retryMs).toBe(expected);
});

describe("an event that is too long", () => {
  const error = expect.objectContaining({ name: "EventStreamError", code: "ERR_FRAME" }) as Error;

  test.each([
    ["in one line", ["data: aaaaaaaaaaaaaaaaaaaa\n\n"]],
    ["in a line without an end", ["data: aaaaa", "aaaaaaaaa", "aaaaaaaaa"]],
    ["in many lines", ["data: aaaaa\n", "data: aaaaa\n", "data: aaaaa\n"]],
    ["in a comment", [":aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]],
  ])("is an error %s", (_, pieces) => {
    expect(() => parse(pieces, undefined, 20)).toThrow(error);
  });

  test("is an error after the events before it", () => {
    const parser = new EventStreamParser(20);
    const events: string[] = [];
    expect(() => {
      for (const { data } of parser.feed(`data: a\n\ndata: b\n\ndata: ${"c".repeat(20)}\n\n`)) events.push(data);
    }).toThrow(error);
    expect(events).toEqual(["a", "b"]);
  });

  test("is none with as many characters as are allowed, again and again", () => {
    const line = `data: ${"a".repeat(14)}`;
    const [events] = parse(
      Array.from({ length: 50 }, () => `${line}\n\n`),
      undefined,
      20,
    );
    expect(events).toHaveLength(50);
  });
});
