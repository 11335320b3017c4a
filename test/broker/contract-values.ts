import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonLiteral } from "../../src/wire/literal.ts";
import { hostileMessage } from "../support/hostile.ts";
import { until } from "../support/sources.ts";
import { contentOf, freshTopic, publication, useProcesses, type BrokerWorld } from "./contract-world.ts";

/** Texts that are valid in a name or a field, and have a meaning in some engine or protocol. */
const strange = [
  ...[
    "a",
    "A",
    " ",
    "  ",
    " a",
    "a ",
    ".",
    "..",
    "a.b",
    ".a",
    "a.",
    "*",
    ">",
    "a.>",
    "a.*",
    "$JS.API.>",
    "_INBOX.x",
    "?",
    "[ab]",
    "\\",
  ],
  ...[
    "{}",
    "{a}",
    "{a}b",
    "}{",
    "a{b}c",
    "a{b}d",
    "{{a}}",
    ":",
    "a:b",
    "a:b:c",
    "::",
    "/",
    "//",
    "a/b",
    "-",
    "=",
    "a=b",
    ",",
    "+",
    "$",
    "%",
  ],
  ...[
    "%41",
    "%",
    "%zz",
    "'",
    '"',
    "`",
    "<",
    "&",
    "<!--",
    "</script>",
    "0",
    "1",
    "-1",
    "1e3",
    "null",
    "undefined",
    "true",
    "__proto__",
  ],
  ...[
    "constructor",
    "toString",
    "é",
    "e\u0301",
    "日本語",
    "😀",
    "👩‍👩‍👧",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ufffd",
    "\u0085",
    "\u00a0",
  ],
  ...[
    "\u200b",
    "\u202e",
    "\uffff",
    "\u{10ffff}",
    "x".repeat(200),
    "語".repeat(200),
    "😀".repeat(100),
    `${"x".repeat(199)}y`,
  ],
];

const controls = /[\u0000-\u001f\u007f]/g;
const lengths = { unit: "binary", minLength: 1, maxLength: 200 } as const;
const anyText = fc.oneof(
  fc.constantFrom(...strange),
  fc.string({ ...lengths, maxLength: 20 }),
  fc.string(lengths),
  fc.array(fc.constantFrom(...strange), { maxLength: 8 }).map((parts) => parts.join("")),
);
const fit = (text: string, without: RegExp): string => text.replace(without, "").slice(0, 200).toWellFormed() || "-";
/** Texts that the hub accepts. */
const anyField = anyText.map((text) => fit(text, /[\r\n\0]/g));
const anyName = anyText.map((text) => fit(text, controls));

const jsons = [
  ...[
    '""',
    '"a"',
    "0",
    "-0",
    "1e300",
    "-1.5",
    "123456789012345680000",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    '"\\u0000"',
    '"\\ud800"',
  ],
  ...[
    '"\\udc00\\ud800"',
    '"\\u003c/script\\u003e"',
    '"\\u0026\\u2028\\u2029"',
    '"\\r\\n\\t\\\\\\""',
    '"\u007f\u0085\ufeff\uffff😀"',
  ],
  ...[
    '[[[[{"a":[{}]}]]]]',
    '{"":"","__proto__":1,"a.b":{"c":[1,2]}}',
    '{"b":1,"a":2}',
    `"${"é".repeat(30_000)}"`,
    '" "',
    '"$5\\\\r"',
  ],
];

/** All values are returned unchanged. */
export function valuesContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  /** Publishes by one process, and expects another to read, and a third to be notified of, the same. */
  async function expectSame(topic: string, publications: readonly ReturnType<typeof publication>[]): Promise<void> {
    const { a, b, c } = processes;
    const { head } = await a.read(topic);
    const ear = await c.listen(topic);
    for (const given of publications) await a.publish(topic, given);
    const expected = publications.map(contentOf);
    const { messages } = await b.readAll(topic, head);
    expect(messages.map(contentOf)).toEqual(expected);
    await until(() => ear.notices.length === publications.length);
    expect(ear.notices.map(({ message }) => contentOf(message))).toEqual(expected);
    expect(ear.notices.map(({ message }) => message)).toEqual(messages);
    c.unlisten(topic, ear);
  }

  test("returns JSON byte for byte", async () => {
    await expectSame(
      freshTopic("json"),
      jsons.map((json) => publication(json)),
    );
  });

  test("returns any JSON byte for byte", async () => {
    const some = fc.array(hostileMessage, { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(some, (values) =>
        expectSame(
          freshTopic("any-json"),
          values.map((value) => publication(jsonLiteral(value, "json"))),
        ),
      ),
      { numRuns: 15 },
    );
  });

  test("returns event, key and message id as given, or undefined", async () => {
    const field = fc.option(anyField, { nil: undefined });
    const fields = fc.record({ event: field, key: field, messageId: field });
    const unlike = fc.uniqueArray(fields, {
      minLength: 1,
      maxLength: 12,
      selector: ({ messageId }) => messageId,
      comparator: (x, y) => x === y && x !== undefined,
    });
    const strangest = strange.map((text) => fit(text, /[\r\n\0]/g));
    await expectSame(
      freshTopic("strange-fields"),
      [...new Set(strangest)].map((text) => publication("1", { event: text, key: text, messageId: text })),
    );
    await fc.assert(
      fc.asyncProperty(unlike, (all) =>
        expectSame(
          freshTopic("fields"),
          all.map((each) => publication("[]", each)),
        ),
      ),
      { numRuns: 15 },
    );
  });

  test("keeps topics of any names apart", async () => {
    const { a, b, c } = processes;
    const names = [...strange, ...fc.sample(anyName, { numRuns: 100, seed: 7 })].map((text) => fit(text, controls));
    const affix = freshTopic("");
    // Each name as it is, and with an affix of this run before or after it.
    const own = names.flatMap((name) => {
      const short = fit(name.slice(0, 200 - affix.length), controls);
      return [name, `${affix}${short}`, `${short}${affix}`];
    });
    const topics = [...new Set(own)];
    const heads = await ofEach(topics, async (topic) => (await a.read(topic)).head);
    const ears = await ofEach(topics, (topic) => c.listen(topic));
    const positions = await ofEach(topics, (topic) => a.publish(topic, JSON.stringify(topic)));
    const histories = await ofEach(topics, (topic, i) => b.readAll(topic, heads[i]));
    for (const [i, topic] of topics.entries()) {
      expect(histories[i]?.messages.map(contentOf)).toEqual([contentOf(publication(JSON.stringify(topic)))]);
      expect(histories[i]?.messages[0]?.offset).toBe(positions[i]?.offset);
    }
    await until(() => ears.every((ear) => ear.notices.length > 0));
    for (const [i, topic] of topics.entries()) {
      expect(ears[i]?.jsons).toEqual([JSON.stringify(topic)]);
      c.unlisten(topic, ears[i]);
    }
  });

  test("returns times of the broker's clock, which never go back", async () => {
    const { a, b } = processes;
    const topic = freshTopic("time");
    const before = Date.now();
    for (let i = 0; i < 10; i += 1) await (i % 2 === 0 ? a : b).publish(topic, String(i));
    const { messages, now } = await b.readAll(topic);
    const times = messages.map(({ at }) => at);
    expect(times.toSorted((x, y) => x - y)).toEqual(times);
    // The broker is on this machine. It may count whole seconds.
    expect(times[0]).toBeGreaterThan(before - 2000);
    expect(now).toBeGreaterThanOrEqual(times.at(-1) as number);
    expect(now).toBeLessThan(Date.now() + 2000);
  });
}

function ofEach<R>(topics: readonly string[], act: (topic: string, i: number) => Promise<R>): Promise<R[]> {
  return Promise.all(topics.map(act));
}
