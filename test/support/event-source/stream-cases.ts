import type { EventSourceCase, Exchange } from "./case.ts";

/** Collects the data of messages until one is `end`. */
const untilEnd = `
  const source = new EventSource(url);
  const seen = [];
  await new Promise((resolve) => {
    source.onmessage = ({ data }) => data === "end" ? resolve() : seen.push(data);
  });
  return seen;`;

/** Writes bytes after the opening, and then a message `end`. */
const bytes =
  (text: (exchange: Exchange) => string): NonNullable<EventSourceCase["serve"]> =>
  (exchange) => {
    exchange.write(exchange.opening + text(exchange));
    exchange.send("end");
  };

/** Waits until the bytes written before have left in a packet of their own. */
const afterwards = (action: () => void): void => void setTimeout(action, 20);

/** How the bytes of a stream become messages. */
export const streamCases: readonly EventSourceCase[] = [
  {
    name: "keeps the lines of a message, and takes an empty one",
    serve: ({ open, send }) => {
      open();
      for (const text of ["", "one\ntwo", "\n", " leading", "end"]) send(text);
    },
    page: untilEnd,
    expected: ["", "one\ntwo", "\n", " leading"],
  },
  {
    name: "keeps text of every script, and the character U+FEFF inside",
    serve: ({ send }) => {
      send("ä ß 日本 \u{1F30D} \uFEFF \u2028");
      send("end");
    },
    page: untilEnd,
    expected: ["ä ß 日本 \u{1F30D} \uFEFF \u2028"],
  },
  {
    name: "joins characters that arrive in two pieces",
    serve: ({ open, frame, write, send }) => {
      open();
      const whole = Buffer.from(frame("ä\u{1F30D}"));
      const middle = whole.indexOf("\u{1F30D}") + 2;
      write(whole.subarray(0, middle));
      afterwards(() => {
        write(whole.subarray(middle));
        send("end");
      });
    },
    page: untilEnd,
    expected: ["ä\u{1F30D}"],
  },
  {
    name: "replaces bytes that are not UTF-8",
    serve: ({ open, frame, write, send }) => {
      open();
      const whole = Buffer.from(frame("a?b"));
      whole[whole.indexOf("a?b") + 1] = 0xe4;
      write(whole);
      send("end");
    },
    page: untilEnd,
    expected: ["a\uFFFDb"],
  },
  {
    name: "reads a stream that arrives byte by byte",
    serve: ({ open, frame, write }) => {
      open();
      const all = Buffer.from(frame("one\ntwo") + frame("three", "message") + frame("end"));
      for (const byte of all) write(Uint8Array.of(byte));
    },
    page: untilEnd,
    expected: ["one\ntwo", "three"],
  },
  {
    name: "reads a message of a megabyte",
    serve: ({ send }) => {
      send("x".repeat(1 << 20));
      send("end");
    },
    page: untilEnd.replace("return seen", "return seen.map(({ length }) => length)"),
    expected: [1 << 20],
  },
  {
    name: "reads many messages of one piece in their order",
    serve: ({ open, write, batch }) => {
      open();
      write(batch(...Array.from({ length: 500 }, (_, i) => String(i)), "end"));
    },
    page: untilEnd.replace("return seen", "return [seen.length, seen.every((text, i) => text === String(i))]"),
    expected: [500, true],
  },
  {
    name: "ignores a byte order mark at the beginning, and only there",
    isAboutBytes: true,
    serve: ({ opening, payload, write, send }) => {
      write(`\uFEFF${opening}data:${payload("1")}\n\n\uFEFFdata:${payload("2")}\n\n`);
      send("end");
    },
    page: untilEnd,
    expected: ["1"],
  },
  {
    name: "takes a second byte order mark for a part of the line",
    isAboutBytes: true,
    serve: ({ opening, payload, write, send }) => {
      write(`\uFEFF\uFEFFdata:${payload("1")}\n\n${opening}`);
      send("end");
    },
    page: untilEnd,
    expected: [],
  },
  {
    name: "ignores comments",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `:\n: a comment\n:data:no\n\ndata:${payload("1")}\n:${"x".repeat(4096)}\n\n`),
    page: untilEnd,
    expected: ["1"],
  },
  {
    name: "ends lines with LF, CR or CRLF",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `data:${payload("1")}\r\n\r\ndata:${payload("2")}\r\rdata:${payload("3")}\n\r\n`),
    page: untilEnd,
    expected: ["1", "2", "3"],
  },
  {
    name: "ends lines with a CRLF that arrives in two pieces",
    isAboutBytes: true,
    serve: ({ opening, payload, write, send }) => {
      write(`${opening}data:${payload("1")}\r`);
      afterwards(() => {
        write(`\n\r\ndata:${payload("2")}\r\n\r`);
        afterwards(() => {
          write("\n");
          send("end");
        });
      });
    },
    page: untilEnd,
    expected: ["1", "2"],
  },
  {
    name: "removes one space after the colon, and no tab",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `data:${payload("1")}\n\ndata: ${payload("2")}\n\n`),
    page: untilEnd,
    expected: ["1", "2"],
  },
  {
    name: "ignores fields that it does not know, and names in another case",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `data:${payload("1")}\n data: no\ndatas: no\nDATA: no\nfield\nevent :no\n\n`),
    page: untilEnd,
    expected: ["1"],
  },
  {
    name: "takes an empty event name for none",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `event:\ndata:${payload("1")}\n\nevent: named\nevent\ndata:${payload("2")}\n\n`),
    page: untilEnd,
    expected: ["1", "2"],
  },
  {
    name: "forgets the event name of an event without data",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `event: named\n\ndata:${payload("1")}\n\n`),
    page: untilEnd,
    expected: ["1"],
  },
  {
    name: "drops an event whose blank line is missing at the end of the stream",
    isAboutBytes: true,
    serve: ({ attempt, opening, payload, write, send, end }) => {
      if (attempt > 1) send("end");
      else {
        write(`retry:10\n\n${opening}data:${payload("1")}\n\ndata:${payload("2")}\n`);
        end();
      }
    },
    page: untilEnd,
    expected: ["1"],
  },
  {
    name: "joins several data fields of one event with line ends",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `data:${payload("1")}\ndata:${payload("2")}\n\n`),
    page: untilEnd,
    expected: ["1\n2"],
    instead: { sse: ["1", "2"] },
  },
  {
    name: "takes a field data without a colon for an empty line",
    isAboutBytes: true,
    serve: bytes(() => `data\n\ndata\ndata\n\n`),
    page: untilEnd,
    expected: ["", "\n"],
    instead: { sse: [] },
  },
  {
    name: "dispatches an event by its field event",
    isAboutBytes: true,
    serve: bytes(({ payload }) => `event: named\ndata:${payload("1")}\n\n`),
    page: `
      const source = new EventSource(url);
      const seen = [];
      source.addEventListener("named", ({ data }) => seen.push(data));
      await new Promise((resolve) => (source.onmessage = ({ data }) => data === "end" && resolve()));
      return seen;`,
    expected: ["1"],
    instead: { sse: [] },
  },
  {
    name: "gives messages the id of the last field id, which an empty one resets",
    isAboutBytes: true,
    serve: ({ opening, payload, write }) =>
      write(
        `${opening}id: a\ndata:${payload("1")}\n\ndata:${payload("2")}\n\ndata:${payload("3")}\nid: b\n\n` +
          `id\ndata:${payload("4")}\n\n`,
      ),
    page: `
      const source = new EventSource(url);
      const seen = [];
      await new Promise((resolve) => (source.onmessage = ({ data, lastEventId }) => {
        seen.push(lastEventId);
        if (data === "4") resolve();
      }));
      return seen;`,
    expected: ["a", "a", "b", ""],
    instead: { sse: ["t=e.1", "t=e.2", "t=e.3", "t=e.4"] },
  },
  {
    name: "ignores an id that has a NUL",
    isAboutBytes: true,
    serve: ({ attempt, lastEventId, opening, payload, write, end }) => {
      const id = attempt === 1 ? "id: a\nid: b\0c\n" : "";
      write(`retry:10\n\n${opening}${id}data:${payload(attempt === 1 ? "1" : `back ${lastEventId}`)}\n\n`);
      if (attempt === 1) end();
    },
    page: `
      const source = new EventSource(url);
      return new Promise((resolve) => (source.onmessage = ({ data }) => data.startsWith("back") && resolve(data)));`,
    expected: "back a",
    failing: { firefox: ["EventSource", "sse"] },
    instead: { sse: "back t=e.1" },
  },
  {
    // Firefox waits for 500 ms where it has read something else, and a busy machine for some more.
    name: "reads decimal digits in a field retry, and ignores everything else",
    isAboutBytes: true,
    serve: ({ attempt, opening, payload, write, end }) => {
      write(`${opening}retry: 03000\nretry: 1x\nretry: -1\nretry\n\ndata:${payload("end")}\n\n`);
      if (attempt === 1) end();
    },
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      await next(source, "message");
      const [first, second] = await requests(2);
      return second.at - first.at >= 2990;`,
    expected: true,
    failing: { firefox: ["EventSource"] },
    instead: { sse: false },
  },
  {
    name: "keeps the character NUL in the data",
    serve: ({ kind, opening, payload, write, send }) => {
      // JSON has it as an escape.
      const text = payload("a\0b");
      write(kind === "ndjson" ? `${opening}${text}\n` : `${opening}data:${text}\n\n`);
      send("end");
    },
    page: untilEnd,
    expected: ["a\0b"],
    failing: { firefox: ["EventSource"] },
  },
];
