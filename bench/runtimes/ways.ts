import { installedRuntime } from "../../test/support/runtimes/install.ts";

/** The runtimes that are measured: Node is the one of the root. */
export const runtimeNames = ["node", "bun", "deno"] as const;
export type RuntimeName = (typeof runtimeNames)[number];

/**
 * How a server sends a message to everybody.
 *
 * - `fetch`: `hub.fetch`; on Node behind @hono/node-server.
 * - `adapter`: `nodeHandler`, `bunHandler` or `denoHandler`.
 * - `stream`: a control without a hub, one `ReadableStream` for each client, each given the same bytes.
 * - `write`: a control without a hub on Node alone, `response.write` for each client.
 * - `websocket`: what the runtime has for WebSockets: `server.publish` on Bun, a loop of `send` on Deno, `ws` on Node.
 */
export type Way = "fetch" | "adapter" | "stream" | "write" | "websocket";

/** One way and what it is compared with, on one runtime. */
export interface Comparison {
  readonly runtime: RuntimeName;
  readonly way: Way;
  readonly control: Way;
}

const each = (runtime: RuntimeName, ...pairs: readonly (readonly [way: Way, control: Way])[]): readonly Comparison[] =>
  pairs.map(([way, control]) => ({ runtime, way, control }));

export const comparisons: readonly Comparison[] = [
  ...each("node", ["fetch", "stream"], ["adapter", "write"], ["adapter", "websocket"]),
  ...each("bun", ["fetch", "stream"], ["adapter", "stream"], ["adapter", "websocket"]),
  ...each("deno", ["fetch", "stream"], ["adapter", "stream"], ["adapter", "websocket"]),
];

/** The command that runs a TypeScript file on a runtime, without the file. */
export async function commandOf(runtime: RuntimeName): Promise<readonly string[]> {
  if (runtime === "node") return [process.execPath, "--expose-gc"];
  const program = await installedRuntime(runtime);
  return runtime === "bun" ? [program, "run"] : [program, "run", "--no-check", "-A"];
}
