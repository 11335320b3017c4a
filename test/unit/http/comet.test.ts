import { describe, expect, test } from "vitest";
import {
  chunked,
  comet,
  CometMessage,
  Enumeratee,
  Enumerator,
  html,
  type Html,
  type JsonValue,
} from "../../../src/index.ts";
import { collect, errorOf, expectCode } from "../../support/sources.ts";

const events = Enumerator.of("kiki", "foo", "bar");

const markup = async (source: AsyncIterable<Html>): Promise<string[]> => (await collect(source)).map(String);

describe("the behaviour that Play's own tests expect of its helper", () => {
  test("sends four chunks for three events, the first event in the second chunk", async () => {
    const response = chunked(events.through(comet({ callback: "console.log" })));
    const chunks = await collect(response.body as ReadableStream<Uint8Array>);
    expect(chunks).toHaveLength(4);
    expect(new TextDecoder().decode(chunks[1])).toContain("console.log('kiki')");
  });

  test("sends a document of scripts that call the parent", async () => {
    const body = await chunked(events.through(comet({ callback: "parent.cometMessage" }))).text();
    expect(body).toContain(
      "<html><body><script>parent.cometMessage('kiki');</script>" +
        "<script>parent.cometMessage('foo');</script><script>parent.cometMessage('bar');</script>",
    );
    expect(body.indexOf("<html>")).toBe(5120);
    expect(body.slice(0, 5120)).toBe(" ".repeat(5120));
  });

  test("sends a JSON string as JSON", async () => {
    const json = Enumerator.of("jsonString").through(
      comet({ callback: "parent.cometMessage", encoder: CometMessage.json }),
    );
    expect((await markup(json))[1]).toBe('<script>parent.cometMessage("jsonString");</script>');
  });
});

describe("comet", () => {
  test("accepts any AsyncIterable, with strings and JSON mixed", async () => {
    async function* source(): AsyncGenerator<JsonValue> {
      await Promise.resolve();
      yield "a";
      yield { b: [1, null] };
      yield 5;
    }
    expect((await markup(comet({ callback: "f" })(source()))).slice(1)).toEqual([
      "<script>f('a');</script>",
      '<script>f({"b":[1,null]});</script>',
      "<script>f(5);</script>",
    ]);
  });

  test("puts its nonce on every script", async () => {
    const [, first] = await markup(events.through(comet({ callback: "f", nonce: "bm9uY2U=" })));
    expect(first).toBe(`<script nonce="bm9uY2U=">f('kiki');</script>`);
  });

  test("begins with the configured initial chunk, or with none", async () => {
    const other = await markup(events.through(comet({ callback: "f", initialChunk: html`<!doctype html><body>` })));
    expect(other[0]).toBe("<!doctype html><body>");
    const none = await markup(events.through(comet({ callback: "f", initialChunk: null })));
    expect(none).toEqual(["<script>f('kiki');</script>", "<script>f('foo');</script>", "<script>f('bar');</script>"]);
  });

  test("sends the initial chunk before its source is opened", async () => {
    let opened = false;
    const source = Enumerator.unicast<string>(() => {
      opened = true;
    });
    const iterator = source.through(comet({ callback: "f" }))[Symbol.asyncIterator]();
    await iterator.next();
    expect(opened).toBe(false);
  });

  test("encodes other types with an encoder, and escapes its JSON", async () => {
    const at = new Date(0);
    const dates = Enumerator.of(at).through(comet({ callback: "f", encoder: (date) => date.toISOString() }));
    expect((await markup(dates))[1]).toBe('<script>f("1970-01-01T00:00:00.000Z");</script>');
    const evil = Enumerator.of(at).through(comet({ callback: "f", encoder: () => ({ "</script>": "<!--" }) }));
    expect((await markup(evil))[1]).toBe(String.raw`<script>f({"\u003c/script>":"\u003c!--"});</script>`);
  });

  test("forwards an error when a message has no encoder or its encoder throws", async () => {
    const unknown = Enumerator.of(new Date(0) as never as string).through(comet({ callback: "f" }));
    await expectCode("ERR_ENCODER", () => collect(unknown), /pass an encoder/);
    const wrong = Enumerator.of(1).through(comet({ callback: "f", encoder: () => undefined as never }));
    await expectCode("ERR_ENCODER", () => collect(wrong), /undefined/);
    const error = new Error("broken");
    const throwing = comet<number>({
      callback: "f",
      encoder: () => {
        throw error;
      },
    });
    expect(await errorOf(() => collect(Enumerator.of(1).through(throwing)))).toBe(error);
  });

  test("throws at once for invalid options", async () => {
    await expectCode("ERR_CALLBACK", () => comet({ callback: "alert(1);//" }));
    await expectCode("ERR_CALLBACK", () => comet({} as never));
    await expectCode("ERR_NONCE", () => comet({ callback: "f", nonce: '"><script>' }));
    await expectCode("ERR_OPTION", () => comet({ callback: "f", initialChunk: "<html>" as never }), /Html or null/);
    await expectCode("ERR_OPTION", () => comet({ callback: "f", encoder: 5 as never }), /must be a function/);
  });

  test("composes with other adapters", async () => {
    const adapter = Enumeratee.compose(
      Enumeratee.map((s: string) => s.length),
      comet({ callback: "f", initialChunk: null }),
    );
    expect((await markup(events.through(adapter)))[0]).toBe("<script>f(4);</script>");
  });
});
