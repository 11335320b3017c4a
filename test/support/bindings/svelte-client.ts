import { hydrate, mount } from "svelte";
import App from "./App.svelte";
import { startPage, type App as Started } from "./start-page.ts";

// The component exports `update`.
startPage({
  mount: (target, initial) => mount(App, { target, props: { initial } }) as object as Started,
  hydrate: (target, initial) => hydrate(App, { target, props: { initial } }) as object as Started,
});
