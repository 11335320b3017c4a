/**
 * The application that the contract of runtimes runs on each of them: hubs by name, and orders that a test gives by POST
 * requests. It uses web standards alone.
 */
import { chunked, Hub, type HubOptions, type HubStats } from "../../../src/index.ts";
import type { Endpoint } from "../../../src/index.ts";
import { Answers, type AnswerChunk } from "../../../src/surfaces/ai/index.ts";
import { durableStreams } from "../../../src/surfaces/durable-streams/index.ts";
import type { JsonValue } from "../../../src/wire/json.ts";

/** An order to one hub. */
export type Order =
  | { readonly op: "create"; readonly options: HubOptions }
  | { readonly op: "publish"; readonly topic: string; readonly messages: readonly JsonValue[] }
  | { readonly op: "flood"; readonly topic: string; readonly count: number; readonly bytes: number }
  | { readonly op: "produce"; readonly topic: string; readonly messages: readonly string[] }
  | { readonly op: "fail"; readonly topic: string; readonly messages: readonly string[] }
  | { readonly op: "close"; readonly drainMs: number }
  | { readonly op: "exit" }
  | { readonly op: "state" }
  | { readonly op: "collect" };

/** The state of a hub, with all that its hooks were called with. */
export interface HubState {
  readonly stats: HubStats;
  readonly reasons: readonly string[];
  readonly errors: readonly string[];
  readonly isClosed: boolean;
}

/** A hub, and all that its hooks were called with. */
export class NotedHub {
  readonly hub: Hub;
  readonly #reasons: readonly string[];
  readonly #errors: readonly string[];
  #isClosed = false;

  constructor(hub: Hub, reasons: readonly string[], errors: readonly string[]) {
    this.hub = hub;
    this.#reasons = reasons;
    this.#errors = errors;
  }

  static create(options: HubOptions): NotedHub {
    const reasons: string[] = [];
    const errors: string[] = [];
    return new NotedHub(new Hub(notedOptions(options, reasons, errors)), reasons, errors);
  }

  async obey(order: Order): Promise<unknown> {
    const { hub } = this;
    switch (order.op) {
      case "create":
        return null;
      case "publish": {
        let position = "";
        for (const message of order.messages) position = await hub.topic(order.topic).publish(message);
        return position;
      }
      case "flood": {
        const topic = hub.topic<string>(order.topic);
        const padding = "x".repeat(order.bytes);
        // No message shares memory with another one.
        for (let n = 0; n < order.count; n += 1) await topic.publish(`${n} ${padding}`.slice(0, order.bytes));
        return null;
      }
      case "produce": {
        const topic = hub.topic<string>(order.topic, { finite: true });
        for (const message of order.messages) await topic.publish(message);
        return topic.end();
      }
      case "fail":
        await hub
          .topic<string>(order.topic, { finite: true })
          .publishFrom(failing(order.messages))
          .catch(() => undefined);
        return null;
      case "close":
        await hub.close({ drainMs: order.drainMs });
        this.#isClosed = true;
        return null;
      case "exit":
        await hub.close({ drainMs: 0 });
        return exit();
      case "state":
        return this.state();
      case "collect":
        collectGarbage();
        return null;
    }
  }

  state(): HubState {
    return { stats: this.hub.stats(), reasons: this.#reasons, errors: this.#errors, isClosed: this.#isClosed };
  }
}

/** Adds hooks to options that note what they are called with. */
export function notedOptions(options: HubOptions, reasons: string[], errors: string[]): HubOptions {
  return {
    ...options,
    onClose: (_, reason) => void reasons.push(reason),
    onError: (error) => void errors.push(String(error)),
  };
}

async function* failing(messages: readonly string[]): AsyncGenerator<string> {
  yield* messages;
  await Promise.resolve();
  throw new Error("The source has failed.");
}

/** Ends the process at once. */
function exit(): never {
  const { Deno, process } = globalThis as {
    process?: { exit: (code: number) => never };
    Deno?: { exit: (code: number) => never };
  };
  if (Deno !== undefined) return Deno.exit(0);
  if (process !== undefined) return process.exit(0);
  throw new Error("This runtime has no exit.");
}

export function collectGarbage(): void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc: (isSync: boolean) => void } };
  if (Bun !== undefined) Bun.gc(true);
  else gc?.();
}

/** The words of an answer. That of a topic called `endless` waits for its stop after them. */
async function* wordsOf(topic: string, signal: AbortSignal): AsyncGenerator<AnswerChunk> {
  for (const type of ["start", "one", "two"]) yield { type };
  if (topic === "endless") await new Promise((_, reject) => signal.addEventListener("abort", reject, { once: true }));
  yield { type: "finish" };
}

const surfaces = new WeakMap<Hub, { readonly answers: Answers; readonly streams: Endpoint }>();

/** The endpoint of a surface of a hub: `/answer/HUB/TOPIC`, or a Durable Stream `/streams/HUB/NAME`. */
export function surfaceOf(hub: Hub, url: string): Endpoint | undefined {
  const { kind, name, rest } = partsOf(url);
  if (kind !== "answer" && kind !== "streams") return undefined;
  const made = surfaces.get(hub) ?? {
    answers: new Answers(hub),
    streams: durableStreams(hub, { prefix: `/streams/${name}/` }),
  };
  surfaces.set(hub, made);
  return kind === "streams" ? made.streams : made.answers.endpoint(rest, (signal) => wordsOf(rest, signal));
}

const hubs = new Map<string, NotedHub>();

/** The hub of a name, which an order has created. */
export function hubOf(name: string): NotedHub {
  const noted = hubs.get(name);
  if (noted === undefined) throw new Error(`There is no hub ${name}.`);
  return noted;
}

/** Carries out an order to the hub of a name. */
export async function obey(name: string, order: Order): Promise<unknown> {
  if (order.op === "create") hubs.set(name, NotedHub.create(order.options));
  return hubOf(name).obey(order);
}

/** The parts of a path: its kind, the name of a hub, and the rest: `/live/a?topic=t`, `/order/a`, `/answer/a/topic`. */
export function partsOf(url: string): { readonly kind: string; readonly name: string; readonly rest: string } {
  const [, kind = "", name = "", rest = ""] = new URL(url, "http://app.test").pathname.split("/");
  return { kind, name, rest };
}

/** Answers an order to a handler of web-standard requests. */
export async function answerOrder(request: Request, name: string, run: typeof obey = obey): Promise<Response> {
  try {
    return Response.json({ result: (await run(name, (await request.json()) as Order)) ?? null });
  } catch (error) {
    return Response.json({ error: String(error) }, { status: 500 });
  }
}

/** A response on which nothing is sent, without any help of the package: a server cuts it by its own idle timeout. */
export function quietResponse(): Response {
  return new Response(
    new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("quiet\n")) }),
  );
}

/** What was done to the endless sources of all responses. */
export interface SourceCounts {
  opened: number;
  closed: number;
}

const counts: SourceCounts = { opened: 0, closed: 0 };

/** A source without an end. The elements of the one called `quiet` are empty, and so not sent. The one called `short` ends. */
export async function* endless(name: string): AsyncGenerator<string> {
  counts.opened += 1;
  try {
    for (let turn = 0; name !== "short" || turn < 100; turn += 1) {
      yield name === "quiet" ? "" : "more\n";
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    counts.closed += 1;
  }
}

/** The counts of the endless sources if they have this name. */
export function sourceCounts(name: string): SourceCounts | undefined {
  return name === "counts" ? counts : undefined;
}

/** Answers `/chunked/NAME` with the counts of the endless sources, or with an endless response of `chunked`. */
export function chunkedResponse(name: string): Response {
  const counts = sourceCounts(name);
  return counts === undefined ? chunked(endless(name)) : Response.json(counts);
}

/** A handler of web-standard requests: `/live/NAME`, `/order/NAME`, `/chunked/NAME`, `/quiet`, and those of `surfaceOf`. */
export function webApp<Platform extends unknown[]>(
  live: (name: string, request: Request, ...platform: Platform) => Promise<Response>,
): (request: Request, ...platform: Platform) => Promise<Response> {
  return async (request, ...platform) => {
    const { kind, name } = partsOf(request.url);
    if (kind === "live") return live(name, request, ...platform);
    if (kind === "chunked") return chunkedResponse(name);
    if (kind === "order") return answerOrder(request, name);
    if (kind === "quiet") return quietResponse();
    return surfaceOf(hubOf(name).hub, request.url)?.fetch(request, ...platform) ?? new Response(null, { status: 404 });
  };
}
