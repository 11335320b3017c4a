import { describe, expect, test } from "vitest";
import { SseParser, type SseEvent, type SseParserOptions } from "../../../support/decoders/sse-parser.ts";
import { expectFrameError } from "../../../support/decoders/frame-error.ts";
import { expectCode } from "../../../support/sources.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function parse(chunks: readonly (string | Uint8Array)[]): {
  events: SseEvent[];
  retries: number[];
  lastEventId: string;
} {
  const events: SseEvent[] = [];
  const retries: number[] = [];
  const parser = new SseParser({ onEvent: (event) => events.push(event), onRetry: (retry) => retries.push(retry) });
  for (const chunk of chunks) parser.feed(typeof chunk === "string" ? utf8(chunk) : chunk);
  parser.end();
  return { events, retries, lastEventId: parser.lastEventId };
}

const event = (data: string, event?: string, lastEventId = ""): SseEvent => ({ event, data, lastEventId });

/** The examples of WHATWG HTML, 9.2.6. */
describe("the standard's own examples", () => {
  test.each([
    ["data: YHOO\ndata: +2\ndata: 10\n\n", [event("YHOO\n+2\n10")]],
    [
      ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
      [event("first event", undefined, "1"), event("second event")],
    ],
    ["data\n\ndata\ndata\n\ndata:", [event(""), event("\n")]],
    ["data:test\n\ndata: test\n\n", [event("test"), event("test")]],
  ])("%j", (stream, events) => {
    expect(parse([stream]).events).toEqual(events);
  });
});

describe("lines", () => {
  test.each([
    ["LF", ["data:a\ndata:b\n\n"]],
    ["CR", ["data:a\rdata:b\r\r"]],
    ["CRLF", ["data:a\r\ndata:b\r\n\r\n"]],
    ["all of them", ["data:a\rdata:b\r\n\n"]],
    ["CRLF in two chunks", ["data:a\r", "\ndata:b\r", "\n\r", "\n"]],
    ["CRLF in two chunks with nothing between", ["data:a\r", "", "\ndata:b\n\n"]],
  ])("end with %s", (_name, chunks) => {
    expect(parse(chunks).events).toEqual([event("a\nb")]);
  });

  test("are complete at once when they end with CR", () => {
    const events: SseEvent[] = [];
    const parser = new SseParser({ onEvent: (event) => events.push(event) });
    parser.feed(utf8("data:a\r\r"));
    expect(events).toHaveLength(1);
    parser.feed(utf8("\n\ndata:b\r\n\r"));
    expect(events).toHaveLength(2);
  });
});

describe("fields", () => {
  test("may have no space, one or two, and no colon or two", () => {
    expect(parse(["data:a\ndata: b\ndata:  c\ndata\ndata:d:e\n\n"]).events).toEqual([event("a\nb\n c\n\nd:e")]);
  });

  test("are ignored unless their name matches exactly", () => {
    expect(parse(["data:a\nDATA:b\n data:c\ndata :d\ndat:e\n\ufeffdata:f\n:data:g\nfoo\n\n"]).events).toEqual([
      event("a"),
    ]);
  });

  test("set the event name for one event: the last name wins, an empty one clears it", () => {
    const stream =
      "event:a\ndata:1\n\ndata:2\n\nevent:b\n\ndata:3\n\nevent:c\nevent:d\ndata:4\n\nevent:e\nevent\ndata:5\n\n";
    const events = [event("1", "a"), event("2"), event("3"), event("4", "d"), event("5")];
    expect(parse([stream]).events).toEqual(events);
  });

  test("accept only digits in retry", () => {
    const fields = ["10", "007", "", "1.5", "-1", "+1", "1 ", "1e3", "0x1", "١", "9".repeat(400)];
    expect(parse([fields.map((value) => `retry:${value}\n`).join("")]).retries).toEqual([10, 7, Infinity]);
  });
});

describe("the last event id", () => {
  test("persists until another or an empty id arrives", () => {
    const stream = "id:1\ndata:a\n\ndata:b\n\nid:2\ndata:c\n\nid\ndata:d\n\n";
    expect(parse([stream]).events.map((e) => e.lastEventId)).toEqual(["1", "1", "2", ""]);
  });

  test("is set by a block without data", () => {
    expect(parse(["id:1\n\n"])).toEqual({ events: [], retries: [], lastEventId: "1" });
    expect(parse(["id:1\n\ndata:a\n\n"]).events).toEqual([event("a", undefined, "1")]);
  });

  test("is not set by an incomplete block", () => {
    expect(parse(["id:1\n\nid:2\ndata:a\n"])).toEqual({ events: [], retries: [], lastEventId: "1" });
  });

  test("never holds NUL", () => {
    expect(parse(["id:1\nid:2\0\ndata:a\n\n"]).events).toEqual([event("a", undefined, "1")]);
  });
});

describe("bytes", () => {
  test("may begin with one byte order mark", () => {
    expect(parse(["\ufeffdata:a\n\n"]).events).toEqual([event("a")]);
    expect(parse([...utf8("\ufeffdata:a\n\n")].map((byte) => Uint8Array.of(byte))).events).toEqual([event("a")]);
    expect(parse(["\ufeff\ufeffdata:a\n\n"]).events).toEqual([]);
    expect(parse(["\n\ufeffdata:a\n\n"]).events).toEqual([]);
    expect(parse(["data:\ufeffa\n\n"]).events).toEqual([event("\ufeffa")]);
    expect(parse(["ï»¿data:a\n\n"]).events).toEqual([]);
  });

  test("become U+FFFD if they are not UTF-8", () => {
    const bytes = [...utf8("data:"), 0xff, 0xe2, 0x82, 0x61, 0xf0, 0x9f, 0x98, 10, 10];
    expect(parse([Uint8Array.from(bytes)]).events).toEqual([event("\ufffd\ufffda\ufffd")]);
  });

  test("are not retained, so their memory may be reused", () => {
    const events: SseEvent[] = [];
    const parser = new SseParser({ onEvent: (event) => events.push(event) });
    const bytes = new Uint8Array(1);
    for (const byte of utf8("data:é\n\n")) {
      bytes[0] = byte;
      parser.feed(bytes);
    }
    expect(events).toEqual([event("é")]);
  });
});

describe("bounds", () => {
  const withBound = (): SseParser => new SseParser({ onEvent: () => {}, maxFrameBytes: 1024 });

  test("accepts a line, with the data lines before it, up to the limit only", async () => {
    withBound().feed(utf8(`:${"x".repeat(1023)}\ndata:${"x".repeat(1019)}\n\n`.repeat(3)));
    const tooLong = [":" + "x".repeat(1024), `:${"x".repeat(1024)}\n`, `data:${"x".repeat(1000)}\n:${"x".repeat(100)}`];
    for (const stream of [...tooLong, "data\n".repeat(300)]) {
      await expectFrameError(() => withBound().feed(utf8(stream)), /longer than 1024 bytes/);
    }
  });

  test("keeps memory bounded for comments and other fields without an end of the event", () => {
    const parser = withBound();
    for (let i = 0; i < 1000; i += 1) parser.feed(utf8(`:\nevent: ${"x".repeat(500)}\nid: ${i}\nretry: 1\n`));
    parser.end();
  });

  test("reads no bytes after a failure or the end", async () => {
    const parser = withBound();
    await expectFrameError(() => parser.feed(new Uint8Array(1025)), /1024/);
    await expectFrameError(() => parser.feed(utf8("data:a\n\n")), /1024/);
    await expectFrameError(() => parser.end(), /1024/);
    const ended = withBound();
    ended.end();
    ended.end();
    await expectFrameError(() => ended.feed(utf8("")), /after the end/);
  });

  test.each([
    { onEvent: undefined },
    { onEvent: () => {}, onRetry: 1 },
    { onEvent: () => {}, maxFrameBytes: 1023 },
    { onEvent: () => {}, maxFrameBytes: 2 ** 31 },
    { onEvent: () => {}, maxFrameBytes: "2000" },
  ])("throws ERR_OPTION for %j", async (options) => {
    await expectCode("ERR_OPTION", () => new SseParser(options as unknown as SseParserOptions));
  });

  test("reads a megabyte in one-byte chunks without a slowdown", () => {
    const events: SseEvent[] = [];
    const parser = new SseParser({ onEvent: (event) => events.push(event) });
    for (const byte of utf8(`data:${"x".repeat(1_000_000)}\n\n`)) parser.feed(Uint8Array.of(byte));
    expect(events[0]?.data).toHaveLength(1_000_000);
  });
});
