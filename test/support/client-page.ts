// What the pages of test/browser/client*.test.ts have in them, bundled for the browser: the client, and what notes all it tells.
import {
  CometSource,
  acrossTabs,
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

/** Waits are short here. */
const quick = { backoffMs: 20, maxBackoffMs: 200, openTimeoutMs: 500 };

export interface FollowWish {
  /** All of the source's own choice by default. */
  readonly wires?: readonly string[];
  readonly names?: readonly string[];
  readonly openTimeoutMs?: number;
  /** Whether the connection is shared with other tabs. */
  readonly share?: boolean;
  /** The number of the message at which a listener throws each time. */
  readonly throws?: boolean;
}

/** All that a source has told, in its order. */
export interface Told {
  readonly all: (
    | { readonly type: "message"; readonly name: string; readonly data: unknown }
    | { readonly type: "gap"; readonly missed: number | null }
  )[];
  readonly opens: string[];
  readonly states: unknown[];
  readonly errors: { readonly code: string; readonly status: number | undefined; readonly retryMs: number | null }[];
  readonly closes: string[];
  messages: number;
  /** The `number` of the last message, where it has one. */
  last: unknown;
}

function follow(name: string, url: string, wish: FollowWish = {}): void {
  const told: Told = { all: [], opens: [], states: [], errors: [], closes: [], messages: 0, last: undefined };
  const { openTimeoutMs = quick.openTimeoutMs, names = [] } = wish;
  const chosen = wish.wires && { wires: wish.wires.map((wire) => wires[wire] as ClientWire) };
  const shared = wish.share === true && { share: acrossTabs };
  const source = new CometSource(url, { ...quick, openTimeoutMs, ...chosen, ...shared });
  for (const type of ["message", ...names]) {
    if (wish.throws) {
      source.addEventListener(type, () => {
        throw new Error("of the page's own");
      });
    }
    source.addEventListener(type, ({ data }) => {
      told.messages += 1;
      told.last = (data as { number?: unknown } | null)?.number;
      told.all.push({ type: "message", name: type, data });
    });
  }
  source.ongap = ({ missed }) => void told.all.push({ type: "gap", missed });
  source.onopen = ({ wire, states }) => {
    told.opens.push(wire);
    told.states.push(states);
  };
  source.onerror = ({ code, status, retryMs }) => void told.errors.push({ code, status, retryMs });
  source.onclose = ({ reason }) => void told.closes.push(reason);
  page.told[name] = told;
  page.sources[name] = source;
}

const page = {
  follow,
  told: {} as Record<string, Told>,
  sources: {} as Record<string, CometSource>,
  /** The most iframes that there were at once, and how many there ever were. */
  mostFrames: 0,
  allFrames: 0,
  /** What `pageshow` said. */
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

/** What the page does before it has loaded: it follows on a wire, or forges messages of one for the page around. */
const search = new URLSearchParams(location.search);
const wire = search.get("follow");
if (wire !== null) follow(wire, "/events?topic=a", { wires: [wire] });
if (search.has("forge")) parent.postMessage(JSON.parse(search.get("forge") ?? ""), "*");
