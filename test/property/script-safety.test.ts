import { isDeepStrictEqual } from "node:util";
import { runInThisContext } from "node:vm";
import fc from "fast-check";
import { parse, type DefaultTreeAdapterTypes as Tree } from "parse5";
import { expect, test } from "vitest";
import { chunked, comet, CometMessage, Enumerator, type JsonValue } from "../../src/index.ts";
import { hostileMessage } from "../support/hostile.ts";

/** 200 documents of 500 messages each: 100,000 values for each encoding. */
const batches = { numRuns: 200, endOnFailure: true };
const batch = fc.array(hostileMessage, { minLength: 500, maxLength: 500, size: "max" });

/** The elements below a node, except those that every document has. */
function elementsOf(node: Tree.Node): Tree.Element[] {
  const own = "tagName" in node && !["html", "head", "body"].includes(node.tagName) ? [node] : [];
  return "childNodes" in node ? [...own, ...node.childNodes.flatMap(elementsOf)] : own;
}

function textOf(element: Tree.Element): string {
  return element.childNodes.map((child) => ("value" in child ? child.value : "")).join("");
}

const received: unknown[] = [];
Object.assign(globalThis, { cometSafetyTest: (message: unknown) => received.push(message) });

/** The callback's arguments in a browser that reads these bytes: an HTML parser, then JavaScript. */
async function read(messages: readonly JsonValue[], encoder?: typeof CometMessage.json): Promise<unknown[]> {
  const callback = "cometSafetyTest";
  const socket = encoder === undefined ? comet({ callback }) : comet<JsonValue>({ callback, encoder });
  const bytes = await chunked(Enumerator.from(messages).through(socket)).arrayBuffer();
  const elements = elementsOf(parse(new TextDecoder().decode(bytes)));
  expect(elements.length).toBe(messages.length);
  received.length = 0;
  for (const element of elements) {
    expect(element.tagName).toBe("script");
    expect(element.attrs).toEqual([]);
    runInThisContext(textOf(element));
  }
  return received;
}

function expectSame(actual: readonly unknown[], expected: readonly unknown[]): void {
  expect(actual.length).toBe(expected.length);
  // Not toEqual: -0, own keys named __proto__ and prototypes count here.
  for (const [i, value] of expected.entries()) {
    if (!isDeepStrictEqual(actual[i], value))
      expect.fail(`sent ${JSON.stringify(value)}, received ${JSON.stringify(actual[i])}`);
  }
}

test("delivers 100,000 hostile messages unchanged, each in one script", async () => {
  await fc.assert(
    fc.asyncProperty(batch, async (messages) => expectSame(await read(messages), messages)),
    batches,
  );
});

test("delivers 100,000 hostile messages unchanged as JSON", async () => {
  await fc.assert(
    fc.asyncProperty(batch, async (messages) => expectSame(await read(messages, CometMessage.json), messages)),
    batches,
  );
});
