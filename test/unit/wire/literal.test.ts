import { runInThisContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { jsonLiteral, messageLiteral, stringLiteral } from "../../../src/wire/literal.ts";
import { expectCode } from "../../support/sources.ts";

/** What a browser does with a literal. */
const evaluate = (literal: string): unknown => runInThisContext(`(${literal})`);

class Point {
  readonly x = 1;
}

describe("string literals", () => {
  test("have Play's form for plain words", () => {
    expect(stringLiteral("kiki")).toBe("'kiki'");
    expect(stringLiteral("Grüße, 😀")).toBe("'Grüße, 😀'");
  });

  test.each([
    ["'; alert(1); '", String.raw`'\'; alert(1); \''`],
    ["</script>", String.raw`'\u003c/script>'`],
    ["<!--<script", String.raw`'\u003c!--\u003cscript'`],
    ["&#39;", String.raw`'\u0026#39;'`],
    ["\u2028\u2029", String.raw`'\u2028\u2029'`],
    ["\0\r\n\t", String.raw`'\u0000\r\n\t'`],
    ["\ud800", String.raw`'\ud800'`],
    ["\\'\"", String.raw`'\\\'\"'`],
  ])("escape %j", (value, literal) => {
    expect(stringLiteral(value)).toBe(literal);
    expect(evaluate(literal)).toBe(value);
  });
});

describe("JSON literals", () => {
  // V8 searches short and long texts, of one byte and of two bytes a character, in different ways.
  test.each(["", "é", "彗", "é".repeat(300), "彗".repeat(300)])("escape line separators after %j", (before) => {
    for (const separator of ["\u2028", "\u2029"]) {
      const escaped = `\\u${separator.charCodeAt(0).toString(16)}`;
      expect(jsonLiteral(before + separator)).toBe(`"${before}${escaped}"`);
      expect(jsonLiteral({ [before + separator]: [separator] })).toBe(`{"${before}${escaped}":["${escaped}"]}`);
    }
    expect(jsonLiteral(before)).toBe(`"${before}"`);
  });

  test.each([
    ["jsonString", '"jsonString"'],
    [{ a: [1, -0, 1.5e300, true, null, "x"], "b c": {} }, '{"a":[1,-0,1.5e+300,true,null,"x"],"b c":{}}'],
    ["it's", '"it\'s"'],
    [[], "[]"],
    [{ "</script>": "<!--" }, String.raw`{"\u003c/script>":"\u003c!--"}`],
    [{ a: undefined, b: 1 }, '{"b":1}'],
    [Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'],
  ])("write %j", (value, literal) => {
    expect(jsonLiteral(value)).toBe(literal);
  });

  test("keep a key __proto__ a key", () => {
    const value: unknown = JSON.parse('{"__proto__":{"admin":true},"a":{"__proto__":null}}');
    const literal = jsonLiteral(value);
    expect(literal).toBe('{["__proto__"]:{"admin":true},"a":{["__proto__"]:null}}');
    const evaluated = evaluate(literal) as object;
    expect(Object.getPrototypeOf(evaluated)).toBe(Object.prototype);
    expect(JSON.stringify(evaluated)).toBe(JSON.stringify(value));
    expect(jsonLiteral(value, "json")).toBe(JSON.stringify(value));
  });

  test("never call a toJSON, own or inherited: what was checked is what is sent", async () => {
    class Listed extends Array<number> {
      toJSON(): string {
        return "listed";
      }
    }
    const root = Object.assign(Object.create(null) as object, { toJSON: () => "root" });
    expect(jsonLiteral(Listed.of(1, 2))).toBe("[1,2]");
    expect(jsonLiteral(Object.assign([1], { toJSON: () => "own" }))).toBe("[1]");
    expect(jsonLiteral({ a: Object.assign(Object.create(root) as object, { b: 1 }) })).toBe('{"a":{"b":1}}');
    expect(jsonLiteral({ toJSON: "a name" })).toBe('{"toJSON":"a name"}');
    await expectCode("ERR_ENCODER", () => jsonLiteral({ toJSON: () => "own" }), /contains function/);
    for (const prototype of [Object.prototype, Array.prototype, String.prototype, Number.prototype]) {
      Object.defineProperty(prototype, "toJSON", { value: () => "inherited", configurable: true });
      try {
        expect(jsonLiteral({ a: [1, "x", true, null] })).toBe('{"a":[1,"x",true,null]}');
      } finally {
        Reflect.deleteProperty(prototype, "toJSON");
      }
    }
  });

  test.each([
    [new Date(0), /of type Date/],
    [new Map(), /of type Map/],
    [new Set(), /of type Set/],
    [10n, /bigint/],
    [undefined, /is undefined/],
    [NaN, /NaN/],
    [Infinity, /Infinity/],
    [Symbol("x"), /symbol/],
    [() => 1, /function/],
    [new Point(), /of type Point/],
    [Object("boxed"), /of type String/],
    [new Uint8Array(1), /of type Uint8Array/],
    [/x/, /of type RegExp/],
    [Promise.resolve(), /of type Promise/],
    [{ toJSON: () => "x" }, /contains function/],
    [{ a: [{ b: new Date(0) }] }, /contains an object of type Date/],
    [[undefined], /contains undefined/],
    [[1, , 2], /contains undefined/],
  ])("refuse %s", async (value, message) => {
    await expectCode("ERR_ENCODER", () => messageLiteral(value), message);
    await expectCode("ERR_ENCODER", () => messageLiteral(value), /pass an encoder/);
  });

  test("refuse what contains itself, or is nested beyond what browsers parse", async () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    await expectCode("ERR_ENCODER", () => jsonLiteral(cycle), /contains itself/);
    const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);
    expect(jsonLiteral(nested(499))).toHaveLength(1000);
    await expectCode("ERR_ENCODER", () => jsonLiteral(nested(500)), /more than 500 levels/);
  });

  test("refuse what a hostile getter or proxy turns into something else", async () => {
    const value = {
      get a() {
        return new Date(0);
      },
    };
    await expectCode("ERR_ENCODER", () => jsonLiteral(value));
  });
});
