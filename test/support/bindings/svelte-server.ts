import { render as renderComponent } from "svelte/server";
import App from "./App.svelte";
import type { Followed, Rendered } from "./records.ts";

export const render = (initial: Followed): Rendered => renderComponent(App, { props: { initial } });
