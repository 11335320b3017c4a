/** The server of `bunHandler`, or of `hub.fetch` with the argument `fetch`, with the default options of `Bun.serve`. */
import { bunHandler, type BunServerLike } from "../../../src/adapters/bun/index.ts";
import { hubOf, webApp } from "./app.ts";

interface BunLike {
  readonly argv: readonly string[];
  serve(options: {
    readonly port: number;
    readonly hostname: string;
    readonly fetch: (request: Request, server: BunServerLike) => Promise<Response>;
  }): { readonly port: number };
}

const { Bun } = globalThis as unknown as { readonly Bun: BunLike };
const byFetch = Bun.argv.includes("fetch");
const app = webApp((name: string, request: Request, server: BunServerLike) => {
  const { hub } = hubOf(name);
  return byFetch ? hub.fetch(request, server) : bunHandler(hub)(request, server);
});
console.log(`port ${Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app }).port}`);
