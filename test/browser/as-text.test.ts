import { afterEach, describe, expect, test } from "vitest";
import type { JsonValue } from "../../src/index.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const url = "/events?topic=a";
const wires = ["ndjson", "sse", "comet", "poll"] as const;

/** A number that JavaScript cannot hold, as a program of another language may publish it. */
const big = (JSON as unknown as { rawJSON: (text: string) => JsonValue }).rawJSON("12345678901234567890");

const published: readonly JsonValue[] = [
  { b: 1, a: [2, { c: null }] },
  { "2": "two", "1": "<b>one</b> & \u2028" },
  big,
  -0,
  "a string",
  "two\nlines",
  '{"json":"in a string"}',
  "",
  true,
  JSON.parse('{"__proto__":{"x":1}}') as JsonValue,
  "end",
];

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test("gives the text that an EventSource gets, over each wire", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    await visit(page, origin);
    await page.evaluate(`void (
      globalThis.plain = [],
      page.sources.plain = new EventSource("${url}"),
      page.sources.plain.onopen = () => (globalThis.isOpen = true),
      page.sources.plain.onmessage = ({ data }) => void plain.push(data)
    )`);
    await holds(page, "globalThis.isOpen");
    for (const wire of wires) {
      await follow(page, wire, url, { wires: [wire], text: true });
      await holds(page, `page.records.${wire}.opens.length`);
    }
    for (const data of published) await hub.topic("a").publish(data);
    await holds(page, `plain.length === ${published.length}`);
    const plain = await page.evaluate<string[]>("plain");
    expect(plain[0]).toBe('{"b":1,"a":[2,{"c":null}]}');
    expect(plain[2]).toBe("12345678901234567890");
    for (const wire of wires) {
      await holds(page, `page.records.${wire}.all.length === ${published.length}`);
      const texts = (await recordOf(page, wire)).all.map((item) => (item.type === "message" ? item.data : item));
      // In an iframe `>` is an escape too.
      expect(
        texts.map((text) => String(text).replaceAll("\\u003e", ">")),
        wire,
      ).toEqual(plain);
    }
  });

  test("shares a connection with sources whose data is text, and with no others", async () => {
    const { page } = used;
    const { hub, origin, asked } = await clientSite();
    await visit(page, origin);
    for (const [source, text] of [
      ["text1", true],
      ["parsed", false],
      ["text2", true],
    ] as const) {
      await follow(page, source, url, { wires: ["ndjson"], share: true, text });
      await holds(page, `page.records.${source}.opens.length`);
    }
    expect(asked.length).toBe(2);
    await hub.topic("a").publish({ x: 1 });
    for (const [source, data] of [
      ["text1", '{"x":1}'],
      ["text2", '{"x":1}'],
      ["parsed", { x: 1 }],
    ] as const) {
      await holds(page, `page.records.${source}.messages === 1`);
      expect((await recordOf(page, source)).all).toEqual([{ type: "message", name: "message", data }]);
    }
  });
});
