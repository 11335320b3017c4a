import { afterEach, describe, expect, test } from "vitest";
import type { JsonValue } from "../../src/index.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;

/** Values of each kind. */
const kinds: readonly JsonValue[] = [
  "plain",
  "</script><script>parent.document.title='broken'</script>",
  "<!--<script>",
  "\u2028 and \u2029",
  "lines\r\nof\rtext\n",
  "é 😀 \0 \ud800",
  "",
  0,
  -1.5e300,
  Number.MAX_SAFE_INTEGER,
  null,
  true,
  false,
  [],
  {},
  JSON.parse('{"__proto__":{"polluted":1},"constructor":null,"a":[{"__proto__":[]}]}') as JsonValue,
  [null, "</ScRiPt >", { "": "" }],
  "x".repeat(5000),
];
const mixed = Array.from({ length: 200 }, (_, i) => ({
  name: i % 7 === 3 ? "tick" : "message",
  data: i % 3 === 2 ? { i, value: kinds[i % kinds.length] as JsonValue } : (kinds[i % kinds.length] as JsonValue),
}));

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test.each(wires)("delivers a message of 1.5 Mi characters once over %s", async (wire) => {
    const { page } = used;
    const { hub, origin } = await clientSite({ hub: { maxMessageBytes: 16 << 20 } });
    await visit(page, origin);
    await follow(page, wire, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    await hub.topic("a").publish("x".repeat(3 << 19));
    await hub.topic("a").publish({ number: 2 });
    await holds(page, `page.records.${wire}.last === 2`);
    const facts = `[page.records.${wire}.messages, page.records.${wire}.all[0].data.length, page.records.${wire}.errors]`;
    expect(await page.evaluate(facts)).toEqual([2, 3 << 19, []]);
  });

  test.each(wires)("runs nothing of an address that is no http over %s", async (wire) => {
    const { page } = used;
    const { origin } = await clientSite();
    await visit(page, origin);
    for (const url of ["javascript:void(parent.document.title='run')", "data:text/html,<script>parent.x=1</script>"]) {
      const name = JSON.stringify(wire);
      const code = `(() => { try { page.follow(${name}, ${JSON.stringify(url)}, { wires: [${name}] }) } catch (error) { return error.code } })()`;
      expect(await page.evaluate(code)).toBe("ERR_URL");
    }
    expect(await page.evaluate("[document.title, page.frames()]")).toEqual(["A page", 0]);
  });

  test.each(wires)("delivers 200 mixed messages unchanged over %s alone", async (wire) => {
    const { page } = used;
    const { hub, origin, opened } = await clientSite();
    await visit(page, origin);
    await follow(page, wire, "/events?topic=a", { wires: [wire], names: ["tick"] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    const topic = hub.topic("a");
    for (const { name: event, data } of mixed) {
      await topic.publish(data, event === "message" ? {} : { event });
    }
    await holds(page, `page.records.${wire}.messages >= ${mixed.length}`);
    const json = await page.evaluate<string>(`JSON.stringify(page.records.${wire}.all)`);
    expect(json).toBe(JSON.stringify(mixed.map((message) => ({ type: "message", ...message }))));
    expect(await recordOf(page, wire)).toMatchObject({
      opens: [wire],
      states: [{ a: "fresh" }],
      errors: [],
      closes: [],
    });
    expect(opened[0]?.wire).toBe(wire);
    expect(await page.evaluate("document.title")).toBe("A page");
    expect(page.console).toEqual([]);
  });
});
