import { existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Hub } from "../../../dist/index.js";

/** Answers requests on HTTP/1.1 and on HTTP/2. */
export type Handler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** The parts of a build that a server is made of. */
export interface Build {
  readonly Hub: typeof Hub;
  readonly handlerOf: (hub: Hub) => Handler;
}

/** Names that builds of different ages export. */
interface Names {
  readonly Hub?: typeof Hub;
  readonly nodeHandler?: (hub: Hub) => Handler;
  readonly connect?: (hub: Hub, ...args: Parameters<Handler>) => unknown;
}

/** The `dist/` of this checkout. */
export const ownDist = new URL("../../../dist/", import.meta.url);

/**
 * Loads a build, whichever age it has: the hub is in `index.js` or in `hub/index.js`; the adapter has `nodeHandler(hub)` or
 * `connect(hub, request, response)`.
 *
 * @param dist The folder of the build; its path ends with a slash.
 * @throws {Error} if the build has none of these names.
 */
export async function loadBuild(dist: URL): Promise<Build> {
  const load = async (path: string): Promise<Names> => {
    const url = new URL(path, dist);
    return existsSync(url) ? ((await import(url.href)) as Names) : {};
  };
  const { Hub = (await load("hub/index.js")).Hub } = await load("index.js");
  const { nodeHandler, connect } = await load("adapters/node/index.js");
  if (Hub === undefined) throw new Error(`${dist.pathname} has no Hub.`);
  if (nodeHandler !== undefined) return { Hub, handlerOf: nodeHandler };
  if (connect === undefined) throw new Error(`${dist.pathname} has no adapter for Node.`);
  return { Hub, handlerOf: (hub) => (request, response) => void connect(hub, request, response) };
}
