// The script of the suite's page, of its iframes and of its workers: it runs cases, several at a time.
import { CometSource, ndjson, sse } from "../../../src/client/index.ts";
import type { SourceKind } from "./case.ts";

/** A case for the page. */
export interface CaseRequest {
  readonly key: string;
  /** The address of the run on each origin, with a slash at the end. */
  readonly base: string;
  readonly other: string;
  readonly kind: SourceKind;
  readonly context: "window" | "worker" | "shared worker";
}

/** What a case has returned, or the error that it has thrown. */
export type CaseResult = { readonly value: unknown } | { readonly thrown: string };

type Source = EventTarget & { close(): void };
type SourceClass = new (...args: [url?: unknown, options?: object]) => Source;

/** A case that takes longer has failed. */
const TIMEOUT_MS = 60_000;

const AsyncFunction = runHere.constructor as new (...args: string[]) => (...args: unknown[]) => Promise<unknown>;

/** The class under test. It notes each source, so that the case can close it. */
function sourceClass(kind: SourceKind, made: Set<Source>): SourceClass {
  const real = (kind === "EventSource" ? globalThis.EventSource : CometSource) as unknown as SourceClass;
  const proxy: SourceClass = new Proxy(real, {
    construct(target, args: [unknown?, object?], newTarget) {
      const wire = kind === "sse" ? sse : ndjson;
      const options = { backoffMs: 10, maxBackoffMs: 50, openTimeoutMs: TIMEOUT_MS, wires: [wire], ...args[1] };
      const given = kind === "EventSource" ? args : [args[0], options];
      const source = Reflect.construct(target, given, newTarget === proxy ? target : newTarget) as Source;
      made.add(source);
      return source;
    },
  });
  return proxy;
}

function next(source: EventTarget, type: string): Promise<Event> {
  return new Promise((resolve) => source.addEventListener(type, resolve, { once: true }));
}

async function runHere({ base, other, kind }: CaseRequest): Promise<CaseResult> {
  const made = new Set<Source>();
  const frames: HTMLIFrameElement[] = [];
  const EventSource = sourceClass(kind, made);
  const ask = async (query: string): Promise<unknown> =>
    (await fetch(`${base}requests?${query}`, { cache: "no-store" })).json();
  const tools = {
    EventSource,
    url: `${base}stream`,
    other: `${other}stream`,
    next,
    requests: (count: number) => ask(`made=${count}`),
    closed: (count: number) => ask(`closed=${count}`),
    later: async () => {
      const source = new EventSource(`${base}later`);
      await next(source, "message");
      await next(source, "message");
      source.close();
    },
    frame: async (query = "") => {
      const frame = document.createElement("iframe");
      frames.push(frame);
      frame.src = `${base}frame?${query}`;
      document.body.append(frame);
      await next(frame, "load");
      const inner = frame.contentWindow as unknown as { sourceClass: typeof sourceClass };
      return { window: inner, EventSource: inner.sourceClass(kind, made) };
    },
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("timed out")), TIMEOUT_MS);
  });
  try {
    const text = await (await fetch(`${base}code`)).text();
    const code = new AsyncFunction(...Object.keys(tools), text);
    return { value: await Promise.race([code(...Object.values(tools)), late]) };
  } catch (error) {
    return { thrown: String(error) };
  } finally {
    clearTimeout(timer);
    for (const source of made) source.close();
    for (const frame of frames) frame.remove();
  }
}

function runInWorker(request: CaseRequest): Promise<CaseResult> {
  return new Promise((resolve) => {
    if (request.context === "worker") {
      const worker = new Worker("/page.js");
      worker.onmessage = ({ data }: MessageEvent<CaseResult>) => {
        worker.terminate();
        resolve(data);
      };
      worker.onerror = ({ message }) => resolve({ thrown: message });
      worker.postMessage(request);
      return;
    }
    const worker = new SharedWorker("/page.js", request.key);
    const { port } = worker;
    worker.onerror = () => resolve({ thrown: "The worker does not start." });
    port.onmessage = ({ data }: MessageEvent<CaseResult>) => resolve(data);
    port.postMessage(request);
  });
}

/** Runs cases, at most `limit` at a time. A browser has six connections to one host. */
async function runAll(
  requests: CaseRequest[],
  limit: number,
  results: Record<string, CaseResult> = {},
): Promise<Record<string, CaseResult>> {
  const work = async (): Promise<void> => {
    for (let request = requests.shift(); request; request = requests.shift()) {
      results[request.key] = await (request.context === "window" ? runHere(request) : runInWorker(request));
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  return results;
}

/** Runs the case that a page posts, and posts its result back. */
async function runPosted({ data }: MessageEvent<CaseRequest>, reply: (result: CaseResult) => void): Promise<void> {
  reply(await runHere(data));
}

Object.assign(globalThis, { runAll, sourceClass });

if (typeof document === "undefined") {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<CaseRequest>) => void;
    onconnect: (event: MessageEvent) => void;
    postMessage?: (result: CaseResult) => void;
  };
  const { postMessage } = scope;
  if (postMessage) scope.onmessage = (event) => void runPosted(event, (result) => postMessage(result));
  scope.onconnect = ({ ports: [port] }) => {
    if (port) port.onmessage = (event: MessageEvent<CaseRequest>) => void runPosted(event, (r) => port.postMessage(r));
  };
}
