import { EventSource } from "eventsource";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import fc from "fast-check";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import type { JsonValue } from "../../src/index.ts";
import type { WireItem } from "../support/decoders/wire-item.ts";
import { hostileMessage } from "../support/hostile.ts";
import { serveHub, wires, type HubServer } from "../support/hub.ts";
import { until } from "../support/sources.ts";
import { ensureSystemPackages, systemPath } from "../support/system-packages.ts";

const messages = fc.sample(hostileMessage, { numRuns: 300, seed: 20_262 });
const encode = (values: readonly JsonValue[]): string => JSON.stringify(values);
const asEventText = (text: string): string => text.replace(/\r\n?/g, "\n").toWellFormed();

beforeAll(() => ensureSystemPackages(["curl"]));

/** Publishes all messages, every third with an event name and a key. */
async function publishAll({ hub }: HubServer): Promise<void> {
  for (const [i, message] of messages.entries()) {
    const options = i % 3 === 0 ? { event: `Ünïcode ${i} : <b>`, key: `"k" & ${i}`, messageId: `</script> ${i}` } : {};
    await hub.topic("a").publish(message, options);
  }
}

/** The messages of publishAll as the wires deliver them. */
function expectSame(items: readonly WireItem[], named: boolean): void {
  const got = items.flatMap((item) => (item.type === "message" ? [item] : []));
  expect(encode(got.map(({ data }) => data))).toBe(encode(messages));
  got.forEach((item, i) => {
    expect(item.event).toBe(named && i % 3 === 0 ? `Ünïcode ${i} : <b>` : undefined);
    expect(item.key).toBe(named && i % 3 === 0 ? `"k" & ${i}` : undefined);
    expect(item.messageId).toBe(named && i % 3 === 0 ? `</script> ${i}` : undefined);
  });
}

test.each(["ndjson", "comet&mode=managed", "comet&mode=plain"])(
  "delivers messages unchanged on %s, live and from the log",
  async (wire) => {
    const server = await serveHub();
    const live = await server.follow(`topic=a&wire=${wire}`);
    await publishAll(server);
    const later = await server.follow(`topic=a&wire=${wire}&from=oldest`);
    for (const follower of [live, later])
      expectSame((await follower.has(messages.length)).items, !wire.endsWith("plain"));
  },
);

test("delivers messages unchanged on poll, in as many batches as needed", async () => {
  const server = await serveHub();
  await publishAll(server);
  const items: WireItem[] = [];
  let position = "";
  while (items.filter(({ type }) => type === "message").length < messages.length) {
    const batch = await (await server.follow(`topic=a&wire=poll&from=oldest&lastEventId=${position}`)).ended();
    items.push(...batch.items);
    position = batch.end.position;
  }
  expectSame(items, true);
});

function expectText(texts: readonly string[]): void {
  expect(texts).toHaveLength(messages.length);
  texts.forEach((text, i) => {
    const message = messages[i] as JsonValue;
    if (typeof message === "string") expect(text).toBe(asEventText(message));
    else expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(message));
  });
}

test("delivers the same to eventsource-parser, with names and ids", async () => {
  const server = await serveHub();
  const events: EventSourceMessage[] = [];
  const failures: unknown[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event), onError: (error) => failures.push(error) });
  const response = await fetch(`${server.origin}/?topic=a`, { headers: { accept: "text/event-stream" } });
  const text = new TextDecoder();
  await publishAll(server);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  while (events.length < messages.length + 1) parser.feed(text.decode((await reader.read()).value, { stream: true }));
  await reader.cancel();
  expect(failures).toEqual([]);
  expect(events.shift()?.event).toBe("comet:open");
  expectText(events.map(({ data }) => data));
  events.forEach(({ event, id }, i) => {
    expect(event).toBe(i % 3 === 0 ? `Ünïcode ${i} : <b>` : undefined);
    expect(id).toMatch(new RegExp(`^a=\\w+\\.${i + 1}$`));
  });
});

test("resumes the eventsource package after a cut without a loss", async () => {
  const server = await serveHub({ maxConnectionBytes: 2048, retryMs: 20, pollMs: 50 });
  const source = new EventSource(`${server.origin}/?topic=a&from=oldest`);
  onTestFinished(() => source.close());
  const texts: string[] = [];
  source.onmessage = ({ data }) => texts.push(data as string);
  for (const [i, message] of messages.entries()) {
    await server.hub.topic("a").publish(message);
    if (i % 20 === 0) await until(() => texts.length > i);
  }
  await until(() => texts.length >= messages.length);
  expectText(texts);
  expect(server.hub.stats().recycled).toBeGreaterThan(1);
});

test.each(wires)("sends curl -N each message as it is published, as %s from the same URL", async (wire) => {
  const server = await serveHub();
  const position = await server.hub.topic("a").publish("before");
  const url = `${server.origin}/?topic=a&wire=${wire}&lastEventId=${position}`;
  const curl = spawn(systemPath("curl"), ["-sS", "-N", url], { stdio: ["ignore", "pipe", "pipe"] });
  const gone = once(curl, "exit");
  let output = "";
  curl.stdout.on("data", (data: Buffer) => (output += data.toString()));
  curl.stderr.on("data", (data: Buffer) => (output += data.toString()));
  onTestFinished(() => void curl.kill());
  await until(() => server.opened.length === 1);
  for (let i = 1; i <= (wire === "poll" ? 1 : 5); i += 1) {
    await server.hub.topic("a").publish(`event ${i}`);
    await until(() => output.includes(`event ${i}`));
  }
  if (wire !== "poll") curl.kill();
  await gone;
  await until(() => server.reasons.length === 1);
  expect(server.reasons).toEqual([wire === "poll" ? "poll" : "client"]);
});

test("sends ndjson to curl without options", async () => {
  const server = await serveHub({ maxConnectionAgeMs: 50 });
  const curl = spawn(systemPath("curl"), ["-sS", `${server.origin}/?topic=a`], { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  curl.stdout.on("data", (data: Buffer) => (output += data.toString()));
  await once(curl, "close");
  const lines = output.trimEnd().split("\n");
  expect(lines.map((line) => Object.keys(JSON.parse(line) as object))).toEqual([["open"], ["end"]]);
});
