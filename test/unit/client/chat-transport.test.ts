import { describe, expect, expectTypeOf, test } from "vitest";
import type { ChatTransport, UIMessage, UIMessageChunk } from "ai";
import { CometChatTransport } from "../../../src/client/ai/index.ts";
import { chatSite, type ChatSite } from "../../support/chat-site.ts";
import { errorOf, until } from "../../support/sources.ts";
import { TestChat } from "../../support/test-chat.ts";

const transportTo = (
  { origin }: ChatSite,
  options: ConstructorParameters<typeof CometChatTransport>[0] = {},
): CometChatTransport => new CometChatTransport({ api: `${origin}/api/chat`, ...options });

const question = (abortSignal?: AbortSignal): Parameters<CometChatTransport["sendMessages"]>[0] => ({
  chatId: "1",
  messages: [],
  trigger: "submit-message",
  messageId: undefined,
  abortSignal,
});

/** Reads the words of a stream, and its error if it has one. */
class Reading {
  readonly words: string[] = [];
  readonly errors: unknown[] = [];
  readonly done: Promise<void>;

  constructor(stream: PromiseLike<ReadableStream<UIMessageChunk>> | ReadableStream<UIMessageChunk>) {
    this.done = this.#read(stream);
  }

  has(count: number): Promise<void> {
    return until(() => this.words.length >= count);
  }

  /** Waits for the end, and expects these words and errors. */
  async ends(words: readonly string[], errors: readonly unknown[] = []): Promise<void> {
    await this.done;
    expect(this.words).toEqual(words);
    expect(this.errors).toEqual(errors);
  }

  async #read(opening: PromiseLike<ReadableStream<UIMessageChunk>> | ReadableStream<UIMessageChunk>): Promise<void> {
    try {
      for await (const chunk of await opening) {
        if (chunk.type === "text-delta") this.words.push(chunk.delta);
        if (chunk.type === "error") this.errors.push(chunk.errorText);
      }
    } catch (error) {
      this.errors.push(error);
    }
  }
}

async function runOf(site: ChatSite): Promise<ChatSite["runs"][number]> {
  await until(() => site.runs.length > 0);
  return site.runs[0] ?? expect.fail("the model is not called");
}

test("is a ChatTransport of the SDK", () => {
  expectTypeOf(new CometChatTransport()).toExtend<ChatTransport<UIMessage>>();
});

describe("a connection that breaks", () => {
  test("is repaired: every word arrives once, and useChat notices nothing", async () => {
    const site = await chatSite();
    const tab = new TestChat(transportTo(site));
    const asked = tab.ask("Why?");
    const run = await runOf(site);
    const words = Array.from({ length: 20 }, (_, i) => `word${i} `);
    for (const [i, word] of words.entries()) {
      run.say(word);
      await tab.shows(words.slice(0, i + 1).join(""));
      if (i % 5 === 4) site.cut();
    }
    run.end();
    await asked;
    expect(tab.text).toBe(words.join(""));
    expect(tab.errors).toEqual([]);
    expect(site.requests.filter((request) => request.startsWith("POST")).length).toBe(1);
    expect(site.requests.filter((request) => request.startsWith("GET")).length).toBeGreaterThan(2);
  });

  test("before the answer makes it send the question again, and the model is called once", async () => {
    const site = await chatSite();
    site.refuseNext(2);
    const reading = new Reading(transportTo(site).sendMessages(question()));
    const run = await runOf(site);
    run.say("Because.");
    run.end();
    await reading.ends(["Because."]);
  });

  test("before an answer is resumed makes it ask again", async () => {
    const site = await chatSite();
    const asker = new Reading(transportTo(site).sendMessages(question()));
    const run = await runOf(site);
    run.say("Because.");
    await asker.has(1);
    site.refuseNext(2);
    const stream = await transportTo(site).reconnectToStream({ chatId: "1" });
    run.end();
    await new Reading(stream ?? expect.fail("there is no answer")).ends(["Because."]);
  });

  test("before the response makes it join the answer that the lost request has begun", async () => {
    const site = await chatSite();
    let isFirst = true;
    const stream = transportTo(site, {
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        if (!isFirst) return response;
        isFirst = false;
        await response.body?.cancel();
        throw new TypeError("fetch failed");
      },
    }).sendMessages(question());
    const run = await runOf(site);
    run.say("Because.");
    run.end();
    await new Reading(stream).ends(["Because."]);
    expect(site.requests).toEqual(["POST /api/chat", "POST /api/chat"]);
    expect(site.runs.length).toBe(1);
  });

  test("is a TypeError after giveUpAfterMs, which the SDK takes for a lost connection", async () => {
    const site = await chatSite();
    const reading = new Reading(transportTo(site, { giveUpAfterMs: 0 }).sendMessages(question()));
    const run = await runOf(site);
    run.say("Be");
    await reading.has(1);
    site.refuseNext(Infinity);
    site.cut();
    await reading.ends(["Be"], [expect.any(TypeError)]);
    expect(String(reading.errors[0])).toMatch(/network/);
    run.end();
  });

  test("is a TypeError after giveUpAfterMs if each further connection breaks at once", async () => {
    const site = await chatSite();
    const text = 'id: chat%3A1=a.1\n\nevent: comet:end\nretry: 0\ndata: {"type":"error","errorText":"closed"}\n\n';
    const headers = { "content-type": "text/event-stream" };
    const transport = transportTo(site, {
      giveUpAfterMs: 100,
      fetch: () => Promise.resolve(new Response(text, { headers })),
    });
    await new Reading(transport.sendMessages(question())).ends([], [expect.any(TypeError)]);
  });

  test("before the response, by silence, makes it join the answer that the first request has begun", async () => {
    const site = await chatSite();
    let isFirst = true;
    const stream = transportTo(site, {
      idleTimeoutMs: 2000,
      fetch: async (url, init) => {
        const sent = fetch(url, isFirst ? { ...init, signal: null } : init);
        if (!isFirst) return sent;
        isFirst = false;
        void sent.then((response) => response.body?.cancel());
        // The head never arrives.
        return new Promise((_, reject) => {
          init.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
        });
      },
    }).sendMessages(question());
    const reading = new Reading(stream);
    const run = await runOf(site);
    await until(() => site.requests.length > 1);
    run.say("Because.");
    run.end();
    await reading.ends(["Because."]);
    expect(site.requests.slice(0, 2)).toEqual(["POST /api/chat", "POST /api/chat"]);
    expect(site.runs.length).toBe(1);
  });

  test("is repaired when it has brought nothing yet", async () => {
    const site = await chatSite();
    let isFirst = true;
    const stream = transportTo(site, {
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        if (!isFirst) return response;
        isFirst = false;
        // The head arrives, and nothing after it.
        const body = new ReadableStream({ start: (controller) => controller.error(new TypeError("cut")) });
        return new Response(body, { headers: response.headers });
      },
    }).sendMessages(question());
    const reading = new Reading(stream);
    const run = await runOf(site);
    await until(() => site.requests.length > 1);
    run.say("Because.");
    run.end();
    await reading.ends(["Because."]);
    expect(site.requests).toEqual(["POST /api/chat", "GET /api/chat/1/stream"]);
  });

  test("is repaired when the server is silent", async () => {
    const site = await chatSite({ heartbeatMs: 0 });
    const reading = new Reading(transportTo(site, { idleTimeoutMs: 100 }).sendMessages(question()));
    const run = await runOf(site);
    run.say("Be");
    await until(() => site.requests.length > 2);
    run.say("cause.");
    run.end();
    await reading.ends(["Be", "cause."]);
  });

  test("is repaired when the hub recycles it", async () => {
    const site = await chatSite({ maxConnectionBytes: 1024 });
    const reading = new Reading(transportTo(site).sendMessages(question()));
    const run = await runOf(site);
    const words = Array.from({ length: 10 }, (_, i) => `${i}${"a".repeat(300)}`);
    for (const [i, word] of words.entries()) {
      run.say(word);
      await reading.has(i + 1);
    }
    run.end();
    await reading.ends(words);
    expect(site.requests.length).toBeGreaterThan(2);
  });

  test("is an error when the answer is gone meanwhile", async () => {
    const site = await chatSite();
    const reading = new Reading(transportTo(site).sendMessages(question()));
    const run = await runOf(site);
    run.say("Be");
    await reading.has(1);
    site.refuseNext(1);
    site.cut();
    await until(() => site.hub.stats().connections === 0);
    await site.hub.topic("chat:1").delete();
    await reading.ends(["Be"], [new Error("The rest of this answer is no longer kept.")]);
  });

  test("is an error when another answer has replaced this one", async () => {
    const site = await chatSite();
    const reading = new Reading(transportTo(site).sendMessages(question()));
    const run = await runOf(site);
    run.say("Be");
    await reading.has(1);
    site.refuseNext(1);
    site.cut();
    await until(() => site.hub.stats().connections === 0);
    await site.hub.produce("chat:1", () => ["other"], { restart: true });
    await reading.ends(["Be"], ["A part of this answer is no longer kept."]);
  });
});

describe("the reader", () => {
  test("that aborts disconnects, and the answer goes on", async () => {
    const site = await chatSite();
    const abort = new AbortController();
    const reading = new Reading(transportTo(site).sendMessages(question(abort.signal)));
    const run = await runOf(site);
    await until(() => site.hub.stats().connections === 1);
    abort.abort();
    await reading.ends([], [expect.objectContaining({ name: "AbortError" })]);
    await until(() => site.hub.stats().connections === 0);
    expect(run.signal.aborted).toBe(false);
    run.end();
  });

  test("that cancels the stream disconnects, and the answer goes on", async () => {
    const site = await chatSite();
    const stream = await transportTo(site).sendMessages(question());
    const run = await runOf(site);
    await until(() => site.hub.stats().connections === 1);
    await stream.cancel();
    await until(() => site.hub.stats().connections === 0);
    expect(run.signal.aborted).toBe(false);
    run.end();
  });

  test("that is slow gets every chunk", async () => {
    const site = await chatSite();
    const stream = await transportTo(site).sendMessages(question());
    const run = await runOf(site);
    const words = Array.from({ length: 500 }, (_, i) => `${i} `);
    run.say(...words);
    run.end();
    const got: string[] = [];
    for await (const chunk of stream as ReadableStream<UIMessageChunk>) {
      if (chunk.type === "text-delta") got.push(chunk.delta);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(got).toEqual(words);
  });
});

describe("a request", () => {
  test("that is refused is an error, and is not repeated", async () => {
    const site = await chatSite({ authorize: () => false });
    const transport = transportTo(site);
    for (const ask of [
      () => transport.sendMessages(question()),
      () => transport.reconnectToStream({ chatId: "1" }),
      () => transport.stop("1"),
    ]) {
      expect(String(await errorOf(ask))).toContain("403");
    }
    expect(site.requests.length).toBe(3);
  });

  test("has the options' headers, body and URLs", async () => {
    const site = await chatSite();
    const sent: { url: string; init: RequestInit }[] = [];
    const transport = transportTo(site, {
      headers: () => ({ "x-user": "ada" }),
      body: ({ chatId, messages, body }) => ({ ...body, id: chatId, count: messages.length }),
      streamUrl: (chatId) => `${site.origin}/api/chat/${chatId}/stream?tab=1`,
      credentials: "include",
      fetch: (url, init) => {
        sent.push({ url, init });
        return fetch(url, init);
      },
    });
    const stream = await transport.sendMessages({ ...question(), headers: { "x-more": "1" }, body: { extra: true } });
    (await runOf(site)).end();
    await new Reading(stream).done;
    await transport.reconnectToStream({ chatId: "1" });
    await transport.stop("1");
    expect(sent.map(({ url, init }) => `${String(init.method)} ${url.slice(site.origin.length)}`)).toEqual([
      "POST /api/chat",
      "GET /api/chat/1/stream?tab=1",
      "DELETE /api/chat/1/stream?tab=1",
    ]);
    expect(JSON.parse(sent[0]?.init.body as string)).toEqual({ id: "1", count: 0, extra: true });
    expect(new Headers(sent[0]?.init.headers).get("x-more")).toBe("1");
    for (const { init } of sent) {
      expect(new Headers(init.headers).get("x-user")).toBe("ada");
      expect(init.credentials).toBe("include");
    }
  });

  test("encodes the id of the chat", async () => {
    const site = await chatSite();
    expect(await transportTo(site).reconnectToStream({ chatId: "a/b?c" })).toBeNull();
    expect(site.requests).toEqual(["GET /api/chat/a%2Fb%3Fc/stream"]);
  });
});

test.each([{ giveUpAfterMs: -1 }, { giveUpAfterMs: 1.5 }, { idleTimeoutMs: -1 }, { idleTimeoutMs: "1" as never }])(
  "refuses the options %j",
  async (options) => {
    expect(await errorOf(() => new CometChatTransport(options))).toMatchObject({ code: "ERR_OPTION" });
  },
);
