import { describe, expect, onTestFinished, test } from "vitest";
import { useDemo } from "../support/demo.ts";
import { until } from "../support/sources.ts";

const demo = useDemo();

interface Item {
  readonly id?: string;
  readonly messageId?: string;
  readonly data?: unknown;
  readonly open?: { readonly states: Readonly<Record<string, string>>; readonly position: string };
  readonly gap?: { readonly topic: string; readonly missed: number | null };
  readonly end?: { readonly reason: string };
}

/** Follows `/live` as `curl -N` does. */
async function follow(
  query: string,
): Promise<{ readonly type: string | null; items: () => Item[]; leave: () => void }> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const response = await fetch(`${demo.origin}/live?${query}`, { signal: abort.signal });
  let text = "";
  const decoder = new TextDecoder();
  (response.body as ReadableStream<Uint8Array>)
    .pipeTo(new WritableStream({ write: (chunk) => void (text += decoder.decode(chunk, { stream: true })) }))
    .catch(() => undefined);
  const items = (): Item[] =>
    text
      .split("\n")
      .slice(0, -1)
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Item);
  return { type: response.headers.get("content-type"), items, leave: () => abort.abort() };
}

const messages = (items: readonly Item[]): readonly Item[] => items.filter((item) => item.data !== undefined);

async function say(text: string, messageId = crypto.randomUUID() as string): Promise<void> {
  const body = JSON.stringify({ name: "Ada", text, messageId });
  const response = await fetch(`${demo.origin}/chat/messages`, { method: "POST", body });
  expect(response.status).toBe(201);
}

describe("/live", () => {
  test("sends curl the chat as JSON lines, from the oldest, once each", async () => {
    await say("one", "first");
    await say("one again", "first");
    const { type, items } = await follow("topic=chat&from=oldest");
    expect(type).toBe("application/x-ndjson");
    await say("two");
    await until(() => messages(items()).length === 2);
    expect(items()[0]?.open?.states).toEqual({ chat: "fresh" });
    expect(messages(items())).toMatchObject([
      { data: { name: "Ada", text: "one", at: expect.any(Number) as number }, messageId: "first" },
      { data: { name: "Ada", text: "two" } },
    ]);
  });

  test("resumes after a position, and sends a gap after a position of another server", async () => {
    const first = await follow("topic=chat");
    await say("three");
    await until(() => messages(first.items()).length === 1);
    const [{ id = "" } = {}] = messages(first.items());
    first.leave();
    await say("four");
    const second = await follow(`topic=chat&from=oldest&lastEventId=${id}`);
    await until(() => messages(second.items()).length === 1);
    expect(second.items()[0]?.open?.states).toEqual({ chat: "recovered" });
    expect(messages(second.items())).toMatchObject([{ data: { text: "four" } }]);
    const third = await follow("topic=chat&from=oldest&lastEventId=chat=another.3");
    await until(() => third.items().length >= 2);
    expect(third.items()[1]?.gap).toMatchObject({ topic: "chat", missed: null });
  });

  test("sends several topics at once, and the clock's newest reading", async () => {
    const { items } = await follow("topic=clock&topic=chat&from=newest");
    await until(() => messages(items()).some(({ id = "" }) => id.startsWith("clock=")));
    const [{ data }] = messages(items()) as [Item];
    expect(data).toEqual({
      epochMs: expect.any(Number) as number,
      timeZone: expect.any(String) as string,
      utcOffsetMinutes: expect.any(Number) as number,
    });
  });

  test("samples the machine, and makes each sample complete", async () => {
    const { items } = await follow("topic=machine");
    await until(() => messages(items()).length >= 2);
    const [one, two] = messages(items()) as [{ data: { at: number } }, { data: { at: number } }];
    for (const { data } of [one, two]) {
      expect(data).toMatchObject({ cores: expect.any(Array) as number[], totalBytes: expect.any(Number) as number });
    }
    // A later client gets the same samples from the log.
    const later = await follow("topic=machine&from=oldest");
    await until(() => messages(later.items()).length >= 2);
    expect(messages(later.items()).slice(0, 2)).toEqual([one, two]);
  });

  test("names the machine", async () => {
    const about = (await (await fetch(`${demo.origin}/machine/about`)).json()) as object;
    expect(about).toEqual({
      host: expect.any(String) as string,
      model: expect.any(String) as string,
      cores: expect.any(Number) as number,
    });
  });

  test("refuses other topics with 404, and other methods with 405", async () => {
    const response = await fetch(`${demo.origin}/live?topic=secrets`);
    expect([response.status, response.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
    expect(await response.json()).toMatchObject({ code: "ERR_TOPIC_UNKNOWN" });
    expect((await fetch(`${demo.origin}/live`)).status).toBe(400);
    expect((await fetch(`${demo.origin}/live?topic=chat`, { method: "POST" })).status).toBe(405);
  });

  test("lets its comet documents run only scripts with their nonce, framed only by this server's pages", async () => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const query = "topic=chat&wire=comet&mode=managed&callback=parent.comet0";
    const { headers } = await fetch(`${demo.origin}/live?${query}`, { signal: abort.signal });
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'nonce-[\w+/]{22}=='; img-src 'self'; frame-ancestors 'self'$/,
    );
  });
});
