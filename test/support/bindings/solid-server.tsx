/** @jsxImportSource solid-js */
import { generateHydrationScript, renderToString } from "solid-js/web";
import type { Followed, Rendered } from "./records.ts";
import { App } from "./solid-app.tsx";

export const render = (followed: Followed): Rendered => ({
  head: generateHydrationScript(),
  body: renderToString(() => <App followed={followed} />),
});
