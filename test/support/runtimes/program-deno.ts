/** The server of `denoHandler`, or of `hub.fetch` with the argument `fetch`. Prints its port. */
import { denoHandler, type DenoInfoLike } from "../../../src/adapters/deno/index.ts";
import { hubOf, webApp } from "./app.ts";

interface DenoLike {
  readonly args: readonly string[];
  serve(
    options: { readonly port: number; readonly hostname: string; onListen(address: { readonly port: number }): void },
    handler: (request: Request, info: DenoInfoLike) => Promise<Response>,
  ): unknown;
}

const { Deno } = globalThis as unknown as { readonly Deno: DenoLike };
const byFetch = Deno.args.includes("fetch");
const app = webApp((name: string, request: Request, info: DenoInfoLike) => {
  const { hub } = hubOf(name);
  return byFetch ? hub.fetch(request, info) : denoHandler(hub)(request, info);
});
Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(`port ${port}`) }, app);
