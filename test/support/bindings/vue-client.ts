import { createApp, createSSRApp } from "vue";
import type { Followed } from "./records.ts";
import { startPage, type App } from "./start-page.ts";
import { createFollowers } from "./vue-app.ts";

function start(create: typeof createApp, target: Element, followed: Followed): App {
  const { app, update } = createFollowers(create, followed);
  app.mount(target);
  return { update };
}

startPage({
  mount: (target, followed) => start(createApp, target, followed),
  hydrate: (target, followed) => start(createSSRApp, target, followed),
});
