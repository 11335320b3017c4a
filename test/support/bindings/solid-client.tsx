/** @jsxImportSource solid-js */
import { createSignal, type JSX } from "solid-js";
import { hydrate, render } from "solid-js/web";
import type { Followed } from "./records.ts";
import { App } from "./solid-app.tsx";
import { startPage, type App as Started } from "./start-page.ts";

function start(
  put: (code: () => JSX.Element, target: Element) => unknown,
  target: Element,
  initial: Followed,
): Started {
  const [followed, update] = createSignal(initial);
  put(() => <App followed={followed()} />, target);
  return { update };
}

startPage({
  mount: (target, followed) => start(render, target, followed),
  hydrate: (target, followed) => start(hydrate, target, followed),
});
