import { usageBetween } from "../../support/usage.ts";
import type { Server } from "../servers/server.ts";
import type { Load, Publisher } from "./publisher.ts";

/** One server of a pair, with its clients, and the CPU time that it has used in its turns, in microseconds. */
export interface Side {
  readonly server: Server;
  readonly publisher: Publisher;
  cpuUs: number;
}

/** For each load, the CPU time of each server for each delivery of a message, in microseconds, in the order of the sides. */
export type PairResult = { readonly [load: string]: readonly number[] };

/** How many publishes a server has in a turn: enough for what the other server has left in the caches not to count. */
const PUBLISHES_A_TURN = 10;

/** Publishes through each server in turn, and the other way round in every second turn. */
async function takeTurns(sides: readonly Side[], load: Load, publishes: number): Promise<void> {
  for (let turn = 0; turn < publishes / PUBLISHES_A_TURN; turn += 1) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
      const before = await side.server.usage();
      await side.publisher.publish(load, PUBLISHES_A_TURN);
      const { user, system } = usageBetween(before, await side.server.usage());
      side.cpuUs += user + system;
    }
  }
}

/** Checks what the clients receive, and measures each load after its warm-up. */
export async function costsOf(
  sides: readonly Side[],
  loads: readonly Load[],
  connections: number,
): Promise<PairResult> {
  for (const { publisher } of sides) await publisher.check();
  const costs: Record<string, readonly number[]> = {};
  for (const load of loads) {
    await takeTurns(sides, load, load.warmUps);
    for (const side of sides) side.cpuUs = 0;
    await takeTurns(sides, load, load.publishes);
    costs[load.name] = sides.map(({ cpuUs }) => cpuUs / (load.publishes * load.perTurn * connections));
  }
  return costs;
}
