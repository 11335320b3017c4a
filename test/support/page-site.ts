import { build } from "esbuild";
import type { ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import type { HubOptions } from "../../src/index.ts";
import { clientSite, type ClientSite } from "./client-site.ts";

/** A hub at `/events`, and at `/bindings` a page with the script element-page.ts. */
export interface PageSite extends ClientSite {
  /** Cuts all streams, and every new one until `up` is called. */
  readonly down: () => void;
  readonly up: () => void;
}

/**
 * @param body The HTML of the page after its script.
 * @param script The script of the page, instead of element-page.ts.
 */
export async function pageSite(hub: HubOptions = {}, body = "", script?: string): Promise<PageSite> {
  const scripts: Readonly<Record<string, string>> =
    script === undefined ? await (made ??= bundled()) : { "/bindings.js": script };
  const streams = new Set<{ destroy: () => unknown }>();
  let isDown = false;
  const site = await clientSite({
    hub,
    instead: (streamed) => {
      const response = streamed as ServerResponse;
      const { pathname } = new URL(response.req.url ?? "/", "http://site.test");
      if (pathname === "/events") {
        // The socket, since a stream detaches its response.
        const { socket } = response.req;
        streams.add(socket);
        socket.once("close", () => streams.delete(socket));
        if (isDown) socket.destroy();
        return isDown;
      }
      if (!pathname.startsWith("/bindings")) return false;
      response.setHeader("connection", "close");
      const isScript = pathname !== "/bindings";
      response.setHeader("content-type", `text/${isScript ? "javascript" : "html"}; charset=utf-8`);
      const page =
        `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>` +
        `<body>${" ".repeat(1024)}<script src="/bindings.js"></script>${body}`;
      response.end(isScript ? scripts[pathname] : page);
      return true;
    },
  });
  return {
    ...site,
    down: () => {
      isDown = true;
      for (const stream of streams) stream.destroy();
    },
    up: () => (isDown = false),
  };
}

let made: Promise<Readonly<Record<string, string>>> | undefined;

/** The scripts of the page, by their paths, and the client alone as a module. */
async function bundled(): Promise<Readonly<Record<string, string>>> {
  const bundle = async (entry: string, format: "iife" | "esm"): Promise<string> => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
      bundle: true,
      format,
      target: "es2022",
      write: false,
    });
    return outputFiles[0]?.text ?? "";
  };
  return {
    "/bindings.js": await bundle("element-page.ts", "iife"),
    "/bindings-client.js": await bundle("../../src/client/index.ts", "esm"),
  };
}
