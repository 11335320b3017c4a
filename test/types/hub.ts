/** What must compile, and, below each `@ts-expect-error`, what must not. Checked by `npm run types`; never run. */
import { createServer, type IncomingMessage } from "node:http";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import {
  fetchHandler,
  Hub,
  Enumerator,
  type JsonValue,
  type RequestOptions,
  type StreamOutcome,
  type Topic,
  type TopicMessage,
} from "../../src/index.ts";

interface Story {
  readonly title: string;
}

declare function isKnown(cookie: string | null): Promise<boolean>;

const hub = new Hub({
  topics: (name) => name === "a" && { overflow: "skip" },
  authorize: async ({ headers }) => ((await isKnown(headers.get("cookie"))) ? true : 401),
});

export const accepted: [Topic<string>, Topic<Story>, Topic<JsonValue>, Topic<Date, string>] = [
  hub.topic<string>("a"),
  hub.topic<Story>("a"),
  hub.topic("a"),
  hub.topic("a", { encoder: (date: Date) => date.toISOString() }),
];
export const messages: Enumerator<TopicMessage<Story>> = hub.topic<Story>("a").messages({ from: "oldest" });
export const sent: Enumerator<TopicMessage<string>> = hub
  .topic("a", { encoder: (date: Date) => date.toISOString() })
  .messages();
export const published: Promise<string> = hub.topic<Story>("a").publish({ title: "x" }, { event: "e" });
declare const transaction: { query(): unknown };
export const committed: Promise<undefined> = hub.topic<Story>("a").publish({ title: "x" }, { transaction, key: "k" });
export const streamed: Promise<StreamOutcome>[] = [
  hub.topic<Story>("a").publishFrom(Enumerator.of({ title: "x" }), { signal: new AbortController().signal }),
  hub.topic<string>("a").publishFrom(new ReadableStream<string>()),
  hub.topic("a", { encoder: (date: Date) => date.toISOString() }).publishFrom([new Date()]),
  hub.produce("a", (signal) => [String(signal.aborted)], { restart: true, ttlMs: 1000 }),
  hub.produce<Story>("a", () => Promise.resolve(Enumerator.of({ title: "x" }))),
];
// @ts-expect-error its elements are stories
void hub.topic<Story>("a").publishFrom([{ name: "x" }]);
// @ts-expect-error a Date needs to be mapped first
void hub.produce<Date>("a", () => [new Date()]);
// @ts-expect-error a producer returns a source
void hub.produce("a", () => 7);

// @ts-expect-error another type of message
void hub.topic<Story>("a").publish({ name: "x" });
// @ts-expect-error -- with a transaction there is no position
export const early: Promise<string> = hub.topic<Story>("a").publish({ title: "x" }, { transaction });
// @ts-expect-error -- the name of no transaction
void hub.topic<Story>("a").publish({ title: "x" }, { transaction: "client" });
// @ts-expect-error neither a string nor JSON
hub.topic<Date>("a");
// @ts-expect-error an encoder gives JSON
hub.topic("a", { encoder: (date: Date) => date });
// @ts-expect-error no such policy
new Hub({ overflow: "never" });
// @ts-expect-error no such status
new Hub({ authorize: () => 500 });
new Hub({
  authorize: (_request, topics, context) =>
    context === undefined ? { status: 429, retryAfterMs: 5 } : { identity: "ada", topics, expiresAt: Date.now() + 1 },
});
// @ts-expect-error no such status
new Hub({ authorize: () => ({ status: 200 }) });
// @ts-expect-error no such member
new Hub({ authorize: () => ({ expireAt: 5 }) });
// @ts-expect-error not a date
new Hub({ authorize: () => ({ expiresAt: new Date() }) });

/** A request as a framework extends it. */
interface UserRequest extends IncomingMessage {
  readonly user: { readonly id: string };
}

// As Bun, Deno and Workers take it, with whatever they pass besides the request.
export const worker: { fetch(request: Request, env: unknown, context: unknown): Promise<Response> } = {
  fetch: hub.fetch,
};
// What a framework passes need not be typed ...
export const untyped: (request: Request, c: { get(name: string): string }) => Promise<Response> = fetchHandler(
  hub,
  (_request, c: { get(name: string): string }) => ({ identity: c.get("user") }),
);
// ... and is checked where it is.
export const typed = fetchHandler(hub, (_request, user: string) => ({ identity: user }));
void typed(new Request("http://a.test"), "ada");
// @ts-expect-error another type of user
void typed(new Request("http://a.test"), 7);
createServer(nodeHandler(hub));
createServer(nodeHandler(hub, (request) => ({ topics: [request.url ?? ""], detach: false })));
export const express = nodeHandler(hub, (request: UserRequest) => ({ identity: request.user.id }));
export const later = nodeHandler(hub, async (): Promise<RequestOptions> => Promise.resolve({ topics: ["a"] }));
// @ts-expect-error no such option
nodeHandler(hub, { topic: "a" });
