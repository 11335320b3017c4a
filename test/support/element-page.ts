// The script of the page of test/browser/client-element.test.ts: `<comet-source>`.
import { defineCometSource, type CometErrorEvent, type CometMessageEvent } from "../../src/client/index.ts";

/** Short delays. */
const quick = { backoffMs: 20, maxBackoffMs: 100 };

/** An event of an element. */
export interface PageEvent {
  readonly type: string;
  /** The id of the element. */
  readonly from: string;
  readonly data: unknown;
  readonly code: unknown;
  readonly reason: unknown;
}

const types = ["open", "message", "tick", "gap", "error", "close"];

/** Events at the listeners of the elements that `place` adds, and events of all elements in the capturing phase. */
const own: PageEvent[] = [];
const captured: PageEvent[] = [];
/** Events at other listeners, which should get none. */
const strays: string[] = [];

function recorder(events: PageEvent[]): (event: Event) => void {
  return (event) => {
    const { id: from } = event.target as Element;
    const { type, data, code, reason } = event as CometMessageEvent & CometErrorEvent & { readonly reason: unknown };
    events.push({ type, from, data, code, reason });
  };
}

for (const type of types) {
  document.addEventListener(type, recorder(captured), { capture: true });
  document.body.addEventListener(type, () => strays.push(`body ${type}`));
  document.addEventListener(type, () => strays.push(`document ${type}`));
  window.addEventListener(type, () => strays.push(`window ${type}`));
}
window.onerror = () => strays.push("window.onerror");
window.onmessage = () => strays.push("window.onmessage");

/** Adds an element to the end of the page. */
function place(id: string, src: string): void {
  const element = document.createElement("comet-source");
  element.id = id;
  element.setAttribute("src", src);
  for (const type of types) element.addEventListener(type, recorder(own));
  document.body.append(element);
}

const page = {
  place,
  define: () => defineCometSource("comet-source", quick),
  records: { own, captured, strays },
};
Object.assign(globalThis, { page });
