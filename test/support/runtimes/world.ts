import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { HubOptions } from "../../../src/index.ts";
import type { HubState } from "./app.ts";
import type { RuntimeProcess } from "./runtime-process.ts";
import type { Runtime } from "./runtimes.ts";

/** The world of one case: a server process, and a way to make hubs in it. */
export interface World {
  readonly server: RuntimeProcess;
  /** Whether to do all of the work, or less of the same. */
  readonly isFull: boolean;
  /** Makes a hub. Resolves to its name. */
  readonly hub: (options?: HubOptions) => Promise<string>;
}

export interface Case {
  /** What a hub does in it: the title of the test. */
  readonly title: string;
  /** The heading of its column. */
  readonly column: string;
  readonly run: (world: World) => Promise<void>;
  /** Why a runtime has no such case; undefined if it has one. */
  readonly missing?: (runtime: Runtime) => string | undefined;
}

/** Waits until a hub's state is as it must be. */
export async function stateIs(
  { server }: World,
  hub: string,
  isReached: (state: HubState) => boolean,
): Promise<HubState> {
  const end = performance.now() + 60_000;
  for (;;) {
    const state = await server.order(hub, { op: "state" });
    if (isReached(state)) return state;
    if (performance.now() > end) expect.fail(`The hub stays in this state: ${JSON.stringify(state)}`);
    await sleep(10);
  }
}
