import { createUIMessageStreamResponse, type UIMessageChunk } from "ai";
import { describe, expect, test, vi } from "vitest";
import { CometChatTransport } from "../../../../src/client/ai/index.ts";
import { MemoryBrokers } from "../../../../src/brokers/memory/index.ts";
import { Answers, answerTopic, createResumableStreamContext } from "../../../../src/surfaces/ai/index.ts";
import { Enumerator, fetchHandler, Hub } from "../../../../src/index.ts";
import { chatSite, ModelRun, type ChatSite } from "../../../support/chat-site.ts";
import { notedHub } from "../../../support/hub.ts";
import { errorOf, until } from "../../../support/sources.ts";
import { TestChat, transports } from "../../../support/test-chat.ts";

const post = (site: ChatSite, headers: Record<string, string> = {}, id = "1"): Promise<Response> =>
  fetch(`${site.origin}/api/chat`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ id }),
  });
const stream = (site: ChatSite, init: RequestInit = {}, id = "1"): Promise<Response> =>
  fetch(`${site.origin}/api/chat/${id}/stream`, init);

/** The `data` of a stream's events. */
const dataOf = (text: string): string[] => Array.from(text.matchAll(/^data: ([^\n]*)\n/gm), ([, data = ""]) => data);

/** The only run of the model, once it is called. */
async function runOf(site: ChatSite, count = 1): Promise<ChatSite["runs"][number]> {
  await until(() => site.runs.length >= count);
  return site.runs[count - 1] ?? expect.fail("the model is not called");
}

const ways = Object.entries(transports).flatMap(([name, transport]) =>
  (["fetch", "nodeHandler"] as const).map((serving) => ({ name, serving, transport })),
);

describe.each(ways)("with the $name of useChat over $serving", ({ transport, serving }) => {
  test("streams an answer word by word", async () => {
    const site = await chatSite({}, { serving });
    const tab = new TestChat(transport(site.origin));
    const asked = tab.ask("Why?");
    const run = await runOf(site);
    run.say("Be");
    await tab.shows("Be");
    expect(tab.chat.status).toBe("streaming");
    run.say("cause.");
    run.end();
    await asked;
    expect(tab.text).toBe("Because.");
    expect(tab.chat.status).toBe("ready");
    expect(tab.errors).toEqual([]);
  });

  test("resumes an answer after a reload and in a second tab, and calls the model once", async () => {
    const site = await chatSite({}, { serving });
    const before = new TestChat(transport(site.origin));
    void before.ask("Why?");
    const run = await runOf(site);
    run.say("Be");
    await before.shows("Be");
    await before.chat.stop();
    await until(() => site.hub.stats().connections === 0);
    expect(run.signal.aborted).toBe(false);
    run.say("cause ");
    const tabs = [new TestChat(transport(site.origin)), new TestChat(transport(site.origin))];
    const resumed = tabs.map((tab) => tab.chat.resumeStream());
    for (const tab of tabs) await tab.shows("Because ");
    run.say("of it.");
    run.end();
    await Promise.all(resumed);
    for (const tab of tabs) {
      expect(tab.text).toBe("Because of it.");
      expect(tab.chat.messages.length).toBe(1);
      expect(tab.errors).toEqual([]);
    }
    expect(site.runs.length).toBe(1);
  });

  test("replays an answer that has ended into the message that has it", async () => {
    const site = await chatSite({}, { serving });
    const tab = new TestChat(transport(site.origin));
    const asked = tab.ask("Why?");
    const run = await runOf(site);
    run.say("Because.");
    run.end();
    await asked;
    const messages = tab.chat.messages;
    const reloaded = new TestChat(transport(site.origin), "1", messages);
    await reloaded.chat.resumeStream();
    expect(reloaded.chat.messages.map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
    expect(reloaded.text).toBe("Because.");
  });

  test("stops an answer for every reader, and keeps its words", async () => {
    const site = await chatSite({}, { serving });
    const tabs = [new TestChat(transport(site.origin)), new TestChat(transport(site.origin))] as const;
    const asked = tabs[0].ask("Why?");
    const run = await runOf(site);
    run.say("Be");
    await tabs[0].shows("Be");
    const resumed = tabs[1].chat.resumeStream();
    await tabs[1].shows("Be");
    await new CometChatTransport({ api: `${site.origin}/api/chat` }).stop("1");
    await Promise.all([asked, resumed]);
    expect(run.signal.aborted).toBe(true);
    run.say("yond the end");
    const later = new TestChat(transport(site.origin));
    await later.chat.resumeStream();
    for (const tab of [...tabs, later]) {
      expect(tab.text).toBe("Be");
      expect(tab.chat.status).toBe("ready");
      expect(tab.errors).toEqual([]);
    }
  });

  test("ends a failed answer with a fixed text, and reports the error", async () => {
    const site = await chatSite({}, { serving });
    const tab = new TestChat(transport(site.origin));
    const asked = tab.ask("Why?");
    const run = await runOf(site);
    run.say("Be");
    await tab.shows("Be");
    run.fail(new Error("no memory at 10.0.0.7"));
    await asked;
    expect(tab.chat.status).toBe("error");
    expect(tab.errors.map(({ message }) => message)).toEqual(["The answer has failed."]);
    expect(site.errors).toEqual([expect.objectContaining({ code: "ERR_FAILED" })]);
    const later = new TestChat(transport(site.origin));
    await later.chat.resumeStream();
    expect(later.errors.map(({ message }) => message)).toEqual(["The answer has failed."]);
  });

  test("resumes nothing where a chat has no answer", async () => {
    const site = await chatSite({}, { serving });
    const tab = new TestChat(transport(site.origin));
    await tab.chat.resumeStream();
    expect(tab.chat.status).toBe("ready");
    expect(tab.errors).toEqual([]);
    expect(tab.chat.messages).toEqual([]);
  });

  test("refuses another user the answer, its stop and another question", async () => {
    const site = await chatSite({
      authorize: (_request, topics, user) => topics.every((name) => name.startsWith(`chat:${String(user)}:`)),
    });
    const ada = new TestChat(transport(site.origin, "ada"), "ada:1");
    void ada.ask("Why?");
    const run = await runOf(site);
    run.say("Be");
    await ada.shows("Be");
    const bob = new TestChat(transport(site.origin, "bob"), "ada:1");
    await bob.chat.resumeStream();
    await bob.ask("Why not?");
    expect(bob.chat.status).toBe("error");
    expect(bob.errors.length).toBe(2);
    expect(bob.text).toBe("");
    const stopped = await stream(site, { method: "DELETE", headers: { "x-user": "bob" } }, "ada:1");
    expect(stopped.status).toBe(403);
    expect(site.runs.length).toBe(1);
    expect(run.signal.aborted).toBe(false);
    run.say("cause.");
    run.end();
    await ada.shows("Because.");
    await ada.isDone();
  });
});

describe("the stream of an answer", () => {
  test("has the events and the headers of the SDK's own response", async () => {
    const site = await chatSite();
    const responding = post(site);
    const run = await runOf(site);
    run.say("Be", "cause. <script>&\u2028</script>", "\n\n", "ü €");
    run.end();
    const response = await responding;
    const data = dataOf(await response.text());
    const chunks = data.slice(0, -1).map((json) => JSON.parse(json) as UIMessageChunk);
    const own = createUIMessageStreamResponse({
      stream: new ReadableStream({
        start: (controller) => {
          for (const chunk of chunks) controller.enqueue(chunk);
          controller.close();
        },
      }),
    });
    const parsed = (text: string): unknown => (text === "[DONE]" ? text : JSON.parse(text));
    expect(data.map(parsed)).toEqual(dataOf(await own.text()).map(parsed));
    expect(chunks.map(({ type }) => type)).toEqual([
      ...["start", "text-start", "text-delta", "text-delta", "text-delta", "text-delta", "text-end", "finish"],
    ]);
    for (const header of ["content-type", "x-vercel-ai-ui-message-stream", "x-accel-buffering"]) {
      expect(response.headers.get(header), header).toBe(own.headers.get(header));
    }
    expect(response.headers.get("cache-control")).toBe("no-store, no-transform");
  });

  test("continues after a position, without repeating a chunk", async () => {
    const site = await chatSite();
    const responding = post(site);
    const run = await runOf(site);
    run.say("a", "b", "c");
    run.end();
    const text = await (await responding).text();
    const [, prefix = "", first = ""] = /^id: (\S+\.)(\d+)\n\n/.exec(text) ?? [];
    const all = dataOf(text);
    const offsets = Array.from(text.matchAll(/^id: (\d+)\ndata: /gm), ([, offset = ""]) => offset);
    expect(Number(offsets[0])).toBeGreaterThan(Number(first));
    for (const [i, offset] of offsets.entries()) {
      const rest = await stream(site, { headers: { "last-event-id": prefix + offset } });
      expect(dataOf(await rest.text())).toEqual(i === offsets.length - 1 ? ["[DONE]"] : all.slice(i + 1));
    }
  });

  test("reports a position in a former answer as an error", async () => {
    const site = await chatSite();
    const responding = post(site);
    (await runOf(site)).end();
    const [, position = ""] = /^id: (\S+\.\d+)\n\n/.exec(await (await responding).text()) ?? [];
    void post(site);
    const second = await runOf(site, 2);
    second.say("other");
    second.end();
    await until(() => site.requests.length === 2);
    const [first = ""] = dataOf(await (await stream(site, { headers: { "last-event-id": position } })).text());
    expect(JSON.parse(first)).toEqual({ type: "error", errorText: "A part of this answer is no longer kept." });
  });

  test("never passes a part for the whole when the hub ends a connection", async () => {
    const site = await chatSite({ maxConnectionBytes: 1024 });
    const responding = post(site);
    const run = await runOf(site);
    run.say("a".repeat(2000));
    const data = dataOf(await (await responding).text());
    expect(JSON.parse(data.at(-1) ?? "")).toEqual({
      type: "error",
      errorText: "The connection was closed before the end of the answer.",
    });
    expect(data).not.toContain("[DONE]");
    run.end();
  });

  test("never passes a part for the whole when the hub shuts down", async () => {
    const site = await chatSite();
    const responding = post(site);
    const run = await runOf(site);
    run.say("a");
    const response = await responding;
    await until(() => site.hub.stats().connections === 1);
    await site.hub.close({ drainMs: 0 });
    const data = dataOf(await response.text());
    expect(JSON.parse(data.at(-1) ?? "")).toMatchObject({ type: "error" });
    expect(data).not.toContain("[DONE]");
    expect(run.signal.aborted).toBe(true);
  });

  test("reports a deleted answer as an error", async () => {
    const site = await chatSite();
    const responding = post(site);
    const run = await runOf(site);
    run.say("a");
    const response = await responding;
    await until(() => site.hub.stats().connections === 1);
    await site.hub.topic("chat:1").delete();
    expect(JSON.parse(dataOf(await response.text()).at(-1) ?? "")).toEqual({
      type: "error",
      errorText: "This answer was deleted.",
    });
  });

  test("reports a beginning that the log has dropped as an error", async () => {
    const site = await chatSite({ topics: () => ({ ...answerTopic, log: { maxEntries: 4 } }) });
    const responding = post(site);
    const run = await runOf(site);
    run.say("a", "b", "c", "d", "e");
    run.end();
    await (await responding).text();
    const [first = ""] = dataOf(await (await stream(site)).text());
    expect(JSON.parse(first)).toEqual({ type: "error", errorText: "A part of this answer is no longer kept." });
  });

  test("has a comment as heartbeat", async () => {
    const site = await chatSite({ heartbeatMs: 100 });
    const response = await post(site);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader() ?? expect.fail("there is no body");
    let text = "";
    while (!text.includes(": keep-alive\n\n")) text += (await reader.read()).value ?? expect.fail("it ended");
    await reader.cancel();
  });
});

describe("a question", () => {
  test("with the Idempotency-Key of the running or ended answer joins it", async () => {
    const site = await chatSite();
    const headers = { "idempotency-key": "question-1" };
    const first = post(site, headers);
    const run = await runOf(site);
    run.say("Because.");
    const second = post(site, headers);
    await until(() => site.requests.length === 2);
    await second;
    run.end();
    const third = await post(site, headers);
    const texts = await Promise.all(
      [first, second, third].map(async (response) => dataOf(await (await response).text())),
    );
    expect(texts[0]?.length).toBe(6);
    expect(texts[1]).toEqual(texts[0]);
    expect(texts[2]).toEqual(texts[0]);
    expect(site.runs.length).toBe(1);
  });

  test("that arrives twice at once begins one answer", async () => {
    const broker = new MemoryBrokers().join();
    const acquire = vi.spyOn(broker.finite ?? expect.fail("the broker has no leases"), "acquire");
    const answers = new Answers(notedHub({ broker, topics: () => answerTopic }).hub);
    const produce = vi.fn(() => [{ type: "start" }]);
    const headers = { "idempotency-key": "1" };
    const ask = (): Promise<Response> =>
      answers.start(new Request("http://hub.test/", { method: "POST", headers }), "chat:1", produce);
    const texts = await Promise.all([ask(), ask()].map(async (response) => dataOf(await (await response).text())));
    expect(texts).toEqual([
      ['{"type":"start"}', "[DONE]"],
      ['{"type":"start"}', "[DONE]"],
    ]);
    expect(produce).toHaveBeenCalledTimes(1);
    expect(acquire).toHaveBeenCalledTimes(1);
  });

  test("without a key, or with another, stops the running answer and replaces it", async () => {
    const site = await chatSite();
    const first = post(site, { "idempotency-key": "question-1" });
    const run = await runOf(site);
    run.say("old");
    await first;
    const second = post(site, { "idempotency-key": "question-2" });
    const next = await runOf(site, 2);
    expect(run.signal.aborted).toBe(true);
    next.say("new");
    expect(dataOf(await (await first).text()).slice(-2)).toEqual(['{"type":"abort"}', "[DONE]"]);
    await second;
    void post(site);
    (await runOf(site, 3)).end();
    expect(next.signal.aborted).toBe(true);
    expect(dataOf(await (await second).text()).slice(-2)).toEqual(['{"type":"abort"}', "[DONE]"]);
  });

  test("with a bad Idempotency-Key is refused with 400", async () => {
    const site = await chatSite();
    const response = await post(site, { "idempotency-key": "a".repeat(201) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "ERR_PARAMETER" });
    expect(site.runs).toEqual([]);
  });

  test("whose producer returns no UI message chunks fails, and the error names the remedy", async () => {
    const noted = notedHub({ topics: () => answerTopic });
    const answers = new Answers(noted.hub);
    const request = (): Request => new Request("http://hub.test/api/chat", { method: "POST" });
    const text = [`data: {"type":"start"}\n\n`] as unknown as { type: string }[];
    const response = await answers.start(request(), "chat:1", () => text);
    expect(dataOf(await response.text())).toEqual(['{"type":"error","errorText":"The answer has failed."}', "[DONE]"]);
    const [error] = noted.errors as [Error];
    expect(error.cause).toMatchObject({
      code: "ERR_ENCODER",
      message: expect.stringMatching(/toUIMessageStream/) as unknown,
    });
  });

  test("for a topic that is declared as endless gets 500, and onError the reason", async () => {
    const noted = notedHub({ topics: () => ({}) });
    const answers = new Answers(noted.hub);
    const request = new Request("http://hub.test/api/chat", { method: "POST" });
    const response = await answers.start(request, "chat:1", () => []);
    expect(response.status).toBe(500);
    expect(String(noted.errors[0])).toMatch(/endless/);
  });

  test("gets 503 from a closed hub", async () => {
    const hub = new Hub({ topics: () => answerTopic });
    const answers = new Answers(hub);
    await hub.close({ drainMs: 0 });
    const response = await answers.start(new Request("http://hub.test/", { method: "POST" }), "chat:1", () => []);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "ERR_CLOSED" });
  });
});

describe("the address of an answer", () => {
  test("responds with 204 to GET and DELETE where there is none", async () => {
    const site = await chatSite();
    for (const method of ["GET", "DELETE"]) expect((await stream(site, { method })).status).toBe(204);
    expect(site.hub.stats().rejected).toBe(0);
  });

  test("responds with 204 to GET once the answer has expired", async () => {
    const site = await chatSite({ topics: () => ({ ...answerTopic, ttlMs: 1 }) });
    const responding = post(site);
    (await runOf(site)).end();
    await (await responding).text();
    // The hub has forgotten all but the name.
    await until(() => site.hub.stats().topics === 0);
    expect((await stream(site)).status).toBe(204);
    void post(site);
    const again = await runOf(site, 2);
    again.say("again");
    again.end();
  });

  test("refuses other methods with 405", async () => {
    const site = await chatSite();
    const response = await stream(site, { method: "PUT" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD, DELETE");
    expect(await response.json()).toMatchObject({
      code: "ERR_METHOD",
      detail: 'The method must be GET, HEAD or DELETE, not the string "PUT".',
    });
    const put = await fetch(`${site.origin}/api/chat`, { method: "PUT", body: '{"id":"1"}' });
    expect([put.status, put.headers.get("allow")]).toEqual([405, "GET, HEAD, POST, DELETE"]);
    expect(site.runs).toEqual([]);
  });

  test("stops an answer of a hub that has no room for connections", async () => {
    const site = await chatSite({ maxConnections: 1 });
    void post(site);
    const run = await runOf(site);
    await until(() => site.hub.stats().connections === 1);
    expect((await stream(site)).status).toBe(503);
    expect((await stream(site, { method: "DELETE" })).status).toBe(204);
    expect(run.signal.aborted).toBe(true);
  });
});

describe("over a broker", () => {
  const question = (): Request => new Request("http://hub.test/", { method: "POST" });

  test("an answer begins anew in a process that follows the former one", async () => {
    const memory = new MemoryBrokers();
    const brokers = [memory.join(), memory.join()] as const;
    // The second process gets the broker's notices late.
    let passOn: (() => void)[] | undefined = [];
    const listen = brokers[1].listen.bind(brokers[1]);
    vi.spyOn(brokers[1], "listen").mockImplementation((name, listener) =>
      listen(name, (notice) => {
        if (passOn === undefined) listener(notice);
        else passOn.push(() => listener(notice));
      }),
    );
    const [first, second] = brokers.map(
      (broker) => new Answers(notedHub({ broker, topics: () => answerTopic }).hub),
    ) as [Answers, Answers];
    const run = new ModelRun(new AbortController().signal);
    const former = await first.start(question(), "chat:1", () => run.chunks);
    const follower = await second.fetch(new Request("http://hub.test/"), "chat:1");
    const next = await second.start(question(), "chat:1", () => [{ type: "next" }]);
    const late = passOn;
    passOn = undefined;
    for (const pass of late) pass();
    expect(dataOf(await next.text())).toEqual(['{"type":"next"}', "[DONE]"]);
    // Its end may be gone before a process has read it. The SDK stops at an error.
    for (const response of [former, follower]) {
      const types = Array.from((await response.text()).matchAll(/"type":"([\w-]+)"/g), ([, type]) => type);
      expect(types.find((type) => type !== "start" && type !== "text-start")).toMatch(/^(?:abort|error)$/);
    }
  });

  test("an answer has a lease of leaseMs, and a stream of resumable-stream has one as well", async () => {
    const broker = new MemoryBrokers().join();
    const finite = broker.finite ?? expect.fail("the broker has no leases");
    const acquire = vi.spyOn(finite, "acquire");
    const { hub } = notedHub({ broker, topics: () => answerTopic });
    await (await new Answers(hub, { leaseMs: 1234 }).start(question(), "chat:1", () => [])).text();
    const context = createResumableStreamContext({ hub, leaseMs: 2345 });
    await context.createNewResumableStream("1", () => Enumerator.of("a").toReadableStream());
    await context.resumableStream("2", () => Enumerator.of("a").toReadableStream());
    expect(acquire.mock.calls.map(([, { leaseMs }]) => leaseMs)).toEqual([1234, 2345, 2345]);
  });
});

test("an endpoint answers by fetch, reports bad options, and reads one topic whatever its options say", async () => {
  const { hub, errors } = notedHub({ topics: () => answerTopic });
  const endpoint = new Answers(hub).endpoint("chat:1", () => [{ type: "finish" }]);
  const request = (): Request => new Request("http://hub.test/", { method: "POST" });
  expect(dataOf(await (await endpoint.fetch(request())).text())).toEqual(['{"type":"finish"}', "[DONE]"]);
  const other = await fetchHandler(endpoint, { topics: ["chat:2"] })(request());
  expect(other.headers.get("x-vercel-ai-ui-message-stream")).toBe("v1");
  expect(await other.text()).toContain("id: chat%3A1=");
  expect((await fetchHandler(endpoint, { identity: "\n" })(request())).status).toBe(500);
  expect(errors).toMatchObject([{ code: "ERR_OPTION" }]);
});

test("Answers and its methods refuse bad arguments", async () => {
  const code = { code: "ERR_OPTION" };
  expect(await errorOf(() => new Answers({} as never))).toMatchObject(code);
  const { hub } = notedHub();
  const request = new Request("http://hub.test/", { method: "POST" });
  expect(await errorOf(() => new Answers(hub).start(request, "chat:1", [] as never))).toMatchObject(code);
  expect(await errorOf(() => new Answers(hub).start(request, "chat:1", undefined as never))).toMatchObject(code);
  expect(await errorOf(() => new Answers(hub).endpoint("chat:1", [] as never))).toMatchObject(code);
  for (const leaseMs of [0, 999, 1.5, 3_600_001]) {
    expect(await errorOf(() => new Answers(hub, { leaseMs }))).toMatchObject(code);
  }
  expect(await errorOf(() => new Answers(hub, { ttlMs: 0 }))).toMatchObject(code);
});
