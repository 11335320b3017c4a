// What a page of the benchmark has in it, bundled for the browser: each way to follow the hub, and what counts and times the events.
import { CometSource, comet, ndjson, poll, postedComet, sse, type ClientWire } from "../../src/client/index.ts";

export interface Order {
  readonly way: string;
  /** The stream's path and query. */
  readonly path: string;
  /** The hub under another origin. */
  readonly otherOrigin: string;
  /** The clock runs from the event of the one number to that of the other. */
  readonly first: number;
  readonly last: number;
  /** After how many events the server is told how many there were; 0 for never. */
  readonly tellEvery: number;
}

export interface Result {
  readonly ms: number;
  /** Events in each frame that the client was given, on average; `null` where there is no client that could see it. */
  readonly eventsAFrame: number | null;
}

interface Event {
  readonly n: number;
}

const wires: { readonly [name: string]: ClientWire } = {
  ndjson,
  sse,
  comet,
  poll,
  postedComet: postedComet(),
  forAwait: ndjson,
};

let frames = 0;

/** A wire that counts how often it brings something. */
function counted(wire: ClientWire): ClientWire {
  return {
    ...wire,
    open: (request, events) => {
      const received: typeof events.received = (items) => {
        frames += 1;
        events.received(items);
      };
      return wire.open(request, { ...events, received });
    },
  };
}

/** Iterates over a source with a loop that does nothing else. */
async function iterate(source: AsyncIterable<{ readonly data: unknown }>, had: (event: Event) => void): Promise<void> {
  for await (const { data } of source) had(data as Event);
}

/** Reads ndjson in the shortest way that a page could: no positions, no reconnection. */
async function read(path: string, had: (event: Event) => void): Promise<void> {
  const { body } = await fetch(`${path}&wire=ndjson&wait=0`, { cache: "no-store" });
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream ended");
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") continue;
      const item = JSON.parse(line) as { readonly data?: Event };
      if (item.data !== undefined) had(item.data);
    }
  }
}

function follow({ way, path, otherOrigin }: Order, had: (event: Event) => void, failed: (why: string) => void): void {
  const wire = wires[way];
  if (wire !== undefined) {
    const origin = way === "postedComet" ? otherOrigin : location.origin;
    const source = new CometSource<{ message: Event }>(origin + path, { wires: [counted(wire)] });
    if (way === "forAwait") iterate(source, had).catch((error: unknown) => failed(String(error)));
    else source.onmessage = ({ data }) => had(data);
    source.ongap = () => failed("a gap");
    source.onerror = ({ code, detail }) => failed(`${code}: ${detail}`);
  } else if (way === "reader") read(path, had).catch((error: unknown) => failed(String(error)));
  else if (way === "eventSource") {
    const source = new EventSource(path);
    source.onmessage = ({ data }: MessageEvent<string>) => had(JSON.parse(data) as Event);
    source.onerror = () => failed("an error");
  } else {
    Object.assign(globalThis, { cometMessage: had });
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = `${path}&callback=parent.cometMessage`;
    document.body.append(frame);
  }
}

/** Follows until the last event has come. Rejects if they do not all come, once and in order. */
function run(order: Order): Promise<Result> {
  return new Promise((resolve, reject) => {
    let before = 0;
    let start = 0;
    const failed = (why: string): void => reject(new Error(`${order.way}, after event ${before}: ${why}`));
    const had = ({ n }: Event): void => {
      if (n !== before + 1) failed(`event ${n} came`);
      before = n;
      if (n === order.first) start = performance.now();
      if (order.tellEvery > 0 && n % order.tellEvery === 0) {
        fetch("/had", { method: "POST", body: String(n) }).catch((error: unknown) => failed(String(error)));
      }
      if (n === order.last) {
        const ms = performance.now() - start;
        resolve({ ms, eventsAFrame: frames === 0 ? null : n / frames });
      }
    };
    follow(order, had, failed);
  });
}

Object.assign(globalThis, { bench: { run } });
