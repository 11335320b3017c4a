// The script of the page of test/browser/client-bindings.test.ts: React with `useComet`, and `<comet-source>`.
import { createElement, StrictMode, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { defineCometSource, type CometErrorEvent, type CometMessageEvent } from "../../src/client/index.ts";
import { useComet } from "../../src/client/react.ts";

/** Short delays. */
const quick = { backoffMs: 20, maxBackoffMs: 100 };

/** The state that a component shows. */
export interface Shown {
  readonly data: unknown;
  readonly state: string;
  readonly error: string | undefined;
  readonly gaps: number;
}

/** An event of an element. */
export interface PageEvent {
  readonly type: string;
  /** The id of the element. */
  readonly from: string;
  readonly data: unknown;
  readonly code: unknown;
  readonly reason: unknown;
}

const given: Record<string, unknown[]> = {};
let root: Root | undefined;

function Follower({ name, url }: { readonly name: string; readonly url: string }): ReactNode {
  const onMessage = ({ data }: CometMessageEvent): void => void (given[name] ??= []).push(data);
  const { data, state, error, gaps } = useComet(url, { ...quick, onMessage });
  const shown: Shown = { data, state, error: error?.code, gaps };
  return createElement("p", { id: name }, JSON.stringify(shown));
}

/** Shows components that follow these addresses, and no others. */
function render(followed: Readonly<Record<string, string>>): void {
  root ??= createRoot(document.body.appendChild(document.createElement("div")));
  const components = Object.entries(followed).map(([name, url]) => createElement(Follower, { key: name, name, url }));
  root.render(createElement(StrictMode, null, ...components));
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
  render,
  /** The state that a component shows; empty if it is not mounted. */
  shown: (name: string) => JSON.parse(document.getElementById(name)?.textContent ?? "{}") as Partial<Shown>,
  place,
  define: () => defineCometSource("comet-source", quick),
  records: { given, own, captured, strays },
};
Object.assign(globalThis, { page });
