import { createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";
import type { Followed, Rendered } from "./records.ts";
import { createFollowers } from "./vue-app.ts";

export const render = async (followed: Followed): Promise<Rendered> => ({
  head: "",
  body: await renderToString(createFollowers(createSSRApp, followed).app),
});
