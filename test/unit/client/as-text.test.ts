import { expect, expectTypeOf, onTestFinished, test } from "vitest";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  asText,
  BareSource,
  CometSource,
  ndjson,
  poll,
  type ClientWire,
  type TextEvents,
} from "../../../src/client/index.ts";
import { scriptedWire } from "../../support/scripted-wire.ts";
import { turns } from "../../support/sources.ts";

const open = '{"open":{"states":{"a":"fresh"},"position":"a=e.0","heartbeatMs":0}}';

/** Serves one body as the first response, and leaves later ones open. @returns The address. */
async function serveOnce(type: string, body: string): Promise<string> {
  let isFirst = true;
  const server: Server = createServer((_, response) => {
    response.setHeader("content-type", type);
    if (isFirst) response.write(body);
    if (isFirst && type === "application/json") response.end();
    isFirst = false;
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/live?topic=a`;
}

/** The data of the first messages of a source, and the codes of its errors. */
async function textsOf(url: string, wire: ClientWire, count: number): Promise<unknown[]> {
  const source = new BareSource<TextEvents>(url, { wire: asText(wire) });
  onTestFinished(() => source.close());
  const seen: unknown[] = [];
  await new Promise<void>((resolve) => {
    const note = (value: unknown): void => {
      if (seen.push(value) === count) resolve();
    };
    source.onmessage = ({ data }) => note(data);
    source.onerror = ({ code }) => note(code);
  });
  return seen;
}

/** The items of messages, and the text that each must give. */
const messages: readonly (readonly [item: string, text: string])[] = [
  ['{"id":"a=e.1","data":{"b":1,"a":[2]}}', '{"b":1,"a":[2]}'],
  ['{"id":"a=e.2","data":12345678901234567890}', "12345678901234567890"],
  ['{"id":"a=e.3","data":{"2":-0,"1":1.10}}', '{"2":-0,"1":1.10}'],
  ['{"id":"a=e.4","data":"a string"}', "a string"],
  ['{"id":"a=e.5","data":"{\\"a\\":1}"}', '{"a":1}'],
  ['{"id":"a=e.6","data":""}', ""],
  ['{"id":"a=e.7","data":null}', "null"],
  ['{"id":"a=e.8","key":"k\\"}","messageId":"\\\\","data":{"data":"}"}}', '{"data":"}"}'],
  // Another server may write a message in another form.
  ['{ "id": "a=e.9", "data": { "a": 1 } }', '{"a":1}'],
  ['{"id":"a=e.10","data":[1,2],"later":{"x":1}}', "[1,2]"],
  ['{"id":"a=e.11","data":{"a":"\\u003c"} } ', '{"a":"\\u003c"} '],
];

test("gives the data of a stream as the text that the server has sent", async () => {
  const body = `${open}\n${messages.map(([item]) => item).join("\n")}\n`;
  const url = await serveOnce("application/x-ndjson", body);
  expect(await textsOf(url, ndjson, messages.length)).toEqual(messages.map(([, text]) => text));
});

test("gives the data of a poll as the text that the server has sent", async () => {
  const hubMessages = messages.slice(0, 8);
  const end = '{"end":{"reason":"poll","position":"a=e.8","retryMs":0}}';
  const url = await serveOnce(
    "application/json",
    `[${[open, ...hubMessages.map(([item]) => item), end].join(",\n")}]\n`,
  );
  expect(await textsOf(url, poll, hubMessages.length)).toEqual(hubMessages.map(([, text]) => text));
});

test("writes the data of a poll again if the items are not one on a line", async () => {
  const end = '{"end":{"reason":"poll","position":"a=e.2","retryMs":0}}';
  const url = await serveOnce(
    "application/json",
    `[${[open, '{"id":"a=e.1","data":{"a": 1}}', '{"id":"a=e.2","data":"text"}', end].join(", ")}]`,
  );
  expect(await textsOf(url, poll, 2)).toEqual(['{"a":1}', "text"]);
});

test.each(["{]", "5", "null"])("reports the frame %s as a stream without text does", async (frame) => {
  const url = await serveOnce("application/x-ndjson", `${open}\n${frame}\n`);
  expect(await textsOf(url, ndjson, 1)).toEqual(["ERR_FRAME"]);
});

test("has the name and the abilities of the wire in it, and leaves the wire as it is", async () => {
  const wire = scriptedWire("ndjson");
  const text = asText(wire);
  expect(text).toMatchObject({ name: "ndjson", isText: true });
  expect(wire.isText).toBeUndefined();
  const source = new CometSource<TextEvents>("http://hub.test/live?topic=a", { wires: [wire], share: asText });
  onTestFinished(() => source.close());
  source.addEventListener("named", ({ data }) => expectTypeOf(data).toEqualTypeOf<string>());
  await turns();
  expect(wire.last.request.parse).toBeTypeOf("function");
});
