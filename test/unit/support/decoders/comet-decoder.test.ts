import { describe, expect, test } from "vitest";
import { CometDecoder, type CometDecoderOptions } from "../../../support/decoders/comet-decoder.ts";
import { readLiteral } from "../../../support/decoders/literal-reader.ts";
import type { WireItem } from "../../../support/decoders/wire-item.ts";
import { expectFrameError } from "../../../support/decoders/frame-error.ts";
import { errorOf, expectCode } from "../../../support/sources.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

type Mode = CometDecoderOptions["mode"];

function decode(mode: Mode, ...chunks: string[]): WireItem[] {
  const items: WireItem[] = [];
  const decoder = new CometDecoder({
    mode,
    callback: "parent.live",
    maxFrameBytes: 1024,
    onItem: (i) => items.push(i),
  });
  for (const chunk of chunks) decoder.feed(utf8(chunk));
  decoder.end();
  return items;
}

/** Its characters, with no surrogate pairs. */
const apart = (text: string): string[] => text.split(/(?:)/);

const plain = (...chunks: string[]): WireItem[] => decode("plain", ...chunks);
const managed = (...chunks: string[]): WireItem[] => decode("managed", ...chunks);
const script = (text: string): string => `<script>${text}</script>`;
const call = (argument: string): string => script(`parent.live(${argument});`);
const message = (data: unknown): unknown => ({ type: "message", id: "", data });

const head = `<!doctype html>\n${" ".repeat(2048)}\n<html><head><title>a</title></head>\n<body>\n`;
const open = '<!--comet:open {"states":{"a":"fresh"},"position":"a=x.1","heartbeatMs":5}-->\n';
const opened = { type: "open", states: { a: "fresh" }, position: "a=x.1", heartbeatMs: 5 };

describe("plain mode", () => {
  test("reads a stream from its head to its end", () => {
    const gap = '<!--comet:gap {"topic":"\\u003c\\u003e--","missed":null,"position":"a=x.4"}-->\n';
    const end = '<!--comet:end {"reason":"recycle","position":"a=x.4","retryMs":0}-->\n';
    const replace = script(
      "setTimeout(function(){location.replace('?'+location.search.slice(1)+'lastEventId=a%3Dx.4')},0);",
    );
    const stream = `${head}${open}${call("'kiki'")}\n\n${gap}${call('{"a":[1]}')}\n${end}${replace}\n`;
    expect(plain(stream)).toStrictEqual([
      opened,
      message("kiki"),
      { type: "heartbeat" },
      { type: "gap", topic: "<>--", missed: null, position: "a=x.4" },
      message({ a: [1] }),
      { type: "end", reason: "recycle", position: "a=x.4", retryMs: 0 },
    ]);
  });

  test("reads a line end as a heartbeat after an item, unless it ends an element's line", () => {
    const beat = { type: "heartbeat" };
    expect(plain(head, "\n\n", open, "\n", "\n", call("1"), "\n", call("2"), "\n\n")).toEqual([
      opened,
      beat,
      beat,
      message(1),
      message(2),
      beat,
    ]);
  });

  test.each([
    "comet:news {}",
    "comet:error {}",
    "comet:",
    "comet:open",
    "comet",
    " comet:open {}",
    "comet:message {}",
    "",
    "-",
    ">",
  ])("ignores <!--%s-->", (comment) => {
    expect(plain(`<!--${comment}-->${call("1")}`)).toEqual([message(1)]);
  });

  test.each([
    [call('["x",]'), /not JSON/],
    [script("parent.live('x')"), /does not end its call: the string "'x'\)"/],
    [script("parent.live('x');x"), /does not end its call/],
    [script("parent.live('x');parent.live('y');"), /A quote ends the string/],
    ["<!--comet:open x-->", /not JSON/],
    ["<!--comet:gap {}-->", /topic of an item gap is missing/],
  ])("throws a FrameError for %s", async (stream, error) => {
    await expectFrameError(() => plain(stream), error);
  });
});

describe("managed mode", () => {
  test("reads items, heartbeats and the problem of a refusal", () => {
    const problem = '{"error":{"type":"urn:x","title":"t","status":403,"code":"ERR_FORBIDDEN","detail":"d"}}';
    const items = [
      String.raw`{"id":"a=x.2","event":"e","data":"<\u003e"}`,
      '{"news":1}',
      '{"id":"a=x.3","data":2}',
      "",
    ];
    const [first, ...rest] = items;
    const comments = `<!--${first}\n${rest[0]}\n-->${rest
      .slice(1)
      .map((text) => `<!--${text}-->`)
      .join("")}`;
    expect(managed(`${head}${comments}\n\n${call(`[${JSON.stringify(problem)}]`)}`)).toStrictEqual([
      { type: "message", id: "a=x.2", event: "e", data: "<>" },
      { type: "message", id: "a=x.3", data: 2 },
      { type: "heartbeat" },
      {
        type: "error",
        problem: { type: "urn:x", title: "t", status: 403, code: "ERR_FORBIDDEN", detail: "d" },
      },
    ]);
  });

  test("ignores other scripts", () => {
    expect(managed(script("parent.lives([1]);"), call("[ ]"))).toEqual([{ type: "heartbeat" }]);
  });

  test("throws a FrameError for a comment that is not an item", async () => {
    await expectFrameError(() => managed("<!--comet:open x-->"), /not JSON/);
  });

  test.each([
    ["'x'", /not JSON/],
    ["{}", /given an object of type Object, and not an array/],
    ["[,]", /not JSON/],
    ['["{}",,]', /not JSON/],
    ["[1]", /an array of 1/],
    ['["{"]', /not JSON/],
    ['["[]"]', /of type Array, and not an object/],
  ])("throws a FrameError for parent.live(%s)", async (argument, error) => {
    await expectFrameError(() => managed(call(argument)), error);
  });
});

describe("the document", () => {
  test.each([
    ["an attribute", `<script nonce="a>b" x='>'>parent.live(1);</script >`],
    ["other letters", "<SCRIPT\n>parent.live(1);</sCript/>"],
    ["an end tag with more", "<script>parent.live(1);</script x='y'>"],
    ["what looks like tags", "< <1 << </ ><!x><!-x><?x></><b/><scripts><script>parent.live(1);</script>"],
  ])("has scripts with %s", (_name, stream) => {
    expect(plain(stream)).toEqual([message(1)]);
    expect(plain(...apart(stream))).toEqual([message(1)]);
  });

  test.each([
    ["a comment", `<!-- ${call("2")} -- ${call("2")} --!>`],
    ["an end tag", `<script></script x='${call("2")}'></b x='${call("2")}'>`],
    ["a comment that seems to end", `<!-- --!-> ${call("2")} --!x> -x-> ${call("2")} -->`],
    ["an element that begins like a script", "<title>parent.live(2);</title><style>parent.live(2);</style>"],
    ["an element of text", `<title>${call("2")}</title ><style>${call("2")}</style>`],
    ["an attribute", `<p title="${call("'2'")}" x = '${call('"2"')}'>`],
    ["another script", script(`parent.live2(2);parent.live(2);`)],
    ["a script for the server", `<noscript>${call("2")}</noscript>`],
    ["a name that is like one", `<scriptx>parent.live(2);</scriptx>`],
  ])("has no calls in %s", (_name, stream) => {
    expect(plain(stream, call("1"))).toEqual([message(1)]);
    expect(plain(...apart(stream), call("1"))).toEqual([message(1)]);
  });

  test("may be cut, and its incomplete end is dropped", () => {
    const stream = call("1") + call("2");
    for (let length = 0; length < stream.length; length += 1) {
      expect(plain(stream.slice(0, length))).toHaveLength(length < stream.length / 2 ? 0 : 1);
    }
  });

  test("may have padding, comments, scripts and tags of any length", () => {
    const x = "x".repeat(5000);
    expect(plain(x, `<!--${x}-->`, script(x), `<p title='${x}'>`, `<${x}>`, call("1"))).toEqual([message(1)]);
  });
});

describe("bounds", () => {
  test("accepts a script or comment up to the limit only", async () => {
    const fits = "1".repeat(1024 - "parent.live('');".length);
    const gap = '{"topic":"t","missed":1,"position":"p"}';
    expect(plain(call(`'${fits}'`), ...apart(call(`'${fits}'`)))).toHaveLength(2);
    expect(plain(`<!--comet:gap ${gap.padEnd(1024 - 10)}-->`)).toHaveLength(1);
    for (const stream of [
      call(`'${fits}1'`),
      `<!--comet:gap ${gap.padEnd(1024 - 9)}-->`,
      `<script>parent.live('${fits}1');`,
    ]) {
      await expectFrameError(() => plain(stream), /longer than 1024 bytes/);
      await expectFrameError(() => plain(...apart(stream)), /longer than 1024 bytes/);
    }
  });

  test("throws for invalid UTF-8 in a frame, and skips it outside", async () => {
    const decoder = new CometDecoder({ mode: "plain", callback: "f", onItem: () => {} });
    decoder.feed(Uint8Array.of(0xff, 0xc3));
    await expectFrameError(
      () => decoder.feed(Uint8Array.of(...utf8("<script>f('"), 0xff, ...utf8("');</script>"))),
      /UTF-8/,
    );
  });

  test("rethrows the same error on every later call", async () => {
    const decoder = new CometDecoder({ mode: "plain", callback: "f", onItem: () => {} });
    const error = await errorOf(() => decoder.feed(utf8("<script>f(?);</script>")));
    expect(await errorOf(() => decoder.feed(utf8("x")))).toBe(error);
    expect(await errorOf(() => decoder.end())).toBe(error);
  });

  test("throws for invalid options", async () => {
    const onItem = (): void => {};
    const make = (options: object): unknown => new CometDecoder(options as CometDecoderOptions);
    await expectCode(
      "ERR_OPTION",
      () => make({ mode: "html", callback: "f", onItem }),
      /plain or managed, not the string "html"/,
    );
    await expectCode("ERR_OPTION", () => make({ callback: "f", onItem }), /mode/);
    await expectCode("ERR_OPTION", () => make({ mode: "plain", callback: "f" }), /onItem/);
    await expectCode("ERR_CALLBACK", () => make({ mode: "plain", callback: "f(", onItem }));
  });

  test("reads a megabyte in one-byte chunks without a slowdown", () => {
    const items: WireItem[] = [];
    const decoder = new CometDecoder({ mode: "plain", callback: "f", onItem: (item) => items.push(item) });
    for (const byte of utf8(`<script>f('${"\\u003c/".repeat(140_000)}');</script>`)) decoder.feed(Uint8Array.of(byte));
    expect(items).toHaveLength(1);
  });
});

describe("literals", () => {
  test.each([
    [String.raw`'it\'s \"\u003c\n"/\/'`, 'it\'s "<\n"//'],
    ["''", ""],
    [' {"a" : [ -0, 1e3 ] } ', { a: [-0, 1000] }],
    ['"\'"', "'"],
    ["null", null],
    [String.raw`{"\"__proto__":1}`, { '"__proto__': 1 }],
    [String.raw`["[\"__proto__\"]:","__proto__",["__proto__"]]`, ['["__proto__"]:', "__proto__", ["__proto__"]]],
  ])("%s", (literal, value) => {
    expect(readLiteral(literal)).toStrictEqual(value);
  });

  test("accept a computed key __proto__ as a key", () => {
    const value = readLiteral('{"a":{["__proto__"]:{"x":1},"b":"__proto__"},["__proto__"]:null}');
    expect(JSON.stringify(value)).toBe('{"a":{"__proto__":{"x":1},"b":"__proto__"},"__proto__":null}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test.each([
    "",
    "'",
    "'a",
    String.raw`'a\'`,
    "'a'b'",
    "'a'+'b'",
    String.raw`'\x3c'`,
    String.raw`'\0'`,
    "'\n'",
    "`a`",
    "undefined",
    "NaN",
    "{a:1}",
    '{"__proto__":{}}',
    '{"__proto__" :1}',
    '["__proto__"]:1',
    '[["__proto__"]:1]',
    '{"a":["__proto__"]:1}',
    '{["a"]:1}',
    String.raw`"\'"`,
    "alert(1)",
    "[1,]",
  ])("exclude %j", async (literal) => {
    await expectFrameError(() => readLiteral(literal));
  });

  test("of hostile lengths are refused quickly", async () => {
    await expectFrameError(() => readLiteral(`"__proto__"${'\\"'.repeat(500_000)}`));
    await expectFrameError(() => readLiteral(`'${'\\"'.repeat(500_000)}`));
    await expectFrameError(() => readLiteral(`{"__proto__"${" ".repeat(500_000)}`));
    expect(readLiteral(`'${"\\'".repeat(500_000)}'`)).toHaveLength(500_000);
  });
});
