// The script of the pages of test/browser/client*.test.ts: the client, and a record of each source's events.
import {
  CometSource,
  acrossTabs,
  asText,
  comet,
  ndjson,
  poll,
  postedComet,
  sse,
  type ClientWire,
} from "../../src/client/index.ts";

const wires: Readonly<Record<string, ClientWire>> = {
  ndjson,
  sse,
  comet,
  poll,
  posted: postedComet(),
  sandboxed: postedComet({ sandbox: true }),
};

/** Short delays between connections. A wire has long to open, since a browser on a busy machine takes seconds. */
const quick = { backoffMs: 20, maxBackoffMs: 200, openTimeoutMs: 120_000 };

/** The parameters of `page.follow`. */
export interface FollowRequest {
  /** The names of the wires. @default those of `CometSource` */
  readonly wires?: readonly string[];
  /** The names of events to record, beside `message`. */
  readonly names?: readonly string[];
  readonly openTimeoutMs?: number;
  /** Whether the connection is shared with other tabs. */
  readonly share?: boolean;
  /** Whether the data of messages is text. */
  readonly text?: boolean;
  /** Whether a listener throws at each message. */
  readonly throws?: boolean;
}

/** The events of a source, in their order. */
export interface SourceRecord {
  readonly all: (
    | { readonly type: "message"; readonly name: string; readonly data: unknown }
    | { readonly type: "gap"; readonly missed: number | null }
  )[];
  readonly opens: string[];
  readonly states: unknown[];
  readonly errors: { readonly code: string; readonly status: number | undefined; readonly retryMs: number | null }[];
  readonly closes: string[];
  messages: number;
  /** The `number` of the last message, if it has one. */
  last: unknown;
}

function follow(name: string, url: string, request: FollowRequest = {}): void {
  const record: SourceRecord = { all: [], opens: [], states: [], errors: [], closes: [], messages: 0, last: undefined };
  const { openTimeoutMs = quick.openTimeoutMs, names = [] } = request;
  const chosen = request.wires && { wires: request.wires.map((wire) => wires[wire] as ClientWire) };
  const textual = (wire: ClientWire): ClientWire => (request.text === true ? asText(wire) : wire);
  const share = (wire: ClientWire): ClientWire => (request.share === true ? acrossTabs(textual(wire)) : textual(wire));
  const source = new CometSource(url, { ...quick, openTimeoutMs, ...chosen, share });
  for (const type of ["message", ...names]) {
    if (request.throws) {
      source.addEventListener(type, () => {
        throw new Error("of the page's own");
      });
    }
    source.addEventListener(type, ({ data }) => {
      record.messages += 1;
      record.last = (data as { number?: unknown } | null)?.number;
      record.all.push({ type: "message", name: type, data });
    });
  }
  source.ongap = ({ missed }) => void record.all.push({ type: "gap", missed });
  source.onopen = ({ wire, states }) => {
    record.opens.push(wire);
    record.states.push(states);
  };
  source.onerror = ({ code, status, retryMs }) => void record.errors.push({ code, status, retryMs });
  source.onclose = ({ reason }) => void record.closes.push(reason);
  page.records[name] = record;
  page.sources[name] = source;
}

const page = {
  follow,
  records: {} as Record<string, SourceRecord>,
  sources: {} as Record<string, CometSource>,
  /** The largest number of iframes at once, and the number of all of them. */
  mostFrames: 0,
  allFrames: 0,
  /** The member `persisted` of the last `pageshow` event. */
  persisted: undefined as boolean | undefined,
  historyAtStart: history.length,
  frames: () => document.getElementsByTagName("iframe").length,
};

new MutationObserver((records) => {
  for (const { addedNodes } of records) page.allFrames += [...addedNodes].filter(isFrame).length;
  page.mostFrames = Math.max(page.mostFrames, page.frames());
}).observe(document, { childList: true, subtree: true });
addEventListener("pageshow", (event) => (page.persisted = event.persisted));

function isFrame(node: Node): boolean {
  return node.nodeName === "IFRAME";
}

Object.assign(globalThis, { page });

/** Before it has loaded, the page follows on a wire, or forges a wire's messages for the page around it. */
const search = new URLSearchParams(location.search);
const wire = search.get("follow");
if (wire !== null) follow(wire, "/events?topic=a", { wires: [wire] });
if (search.has("forge")) parent.postMessage(JSON.parse(search.get("forge") ?? ""), "*");
