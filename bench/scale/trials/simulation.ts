/**
 * One hub of a simulation and its clients: it connects them, prints `"ready"`, waits for a line, and publishes its traffic at a steady pace.
 * Several of these processes run at the same time.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { usageBetween } from "../../support/usage.ts";
import type { Server } from "../../fanout/servers/server.ts";
import { inTrialOf } from "../../fanout/trials/trial.ts";
import { Followers, startTopics } from "../followers.ts";
import { topicsOfClients, trafficOf, type TrafficSpec } from "../traffic.ts";

export interface SimulationSpec extends TrafficSpec {
  readonly cores: readonly [server: number, load: number];
  readonly intervalMs: number;
  readonly warmUps: number;
}

export interface SimulationResult {
  /** The CPU time of the server process for the whole traffic, microseconds. */
  readonly cpuUs: number;
  readonly deliveries: number;
}

const WARM_UP_SEED = 1;

await inTrialOf<SimulationSpec, Server, SimulationResult>(
  ({ topics, cores }) => startTopics(topics, cores[0]),
  async ({ intervalMs, warmUps, ...spec }, server) => {
    const { sizes, turns } = trafficOf(spec);
    const topics = topicsOfClients(sizes);
    const followers = new Followers(server, (client) => topics[client] ?? 0);
    await followers.growTo(spec.subscribers);
    const others = trafficOf({ ...spec, seed: WARM_UP_SEED, turns: warmUps });
    for (const turn of others.turns) await followers.flush(turn.topics, turn.bytes, 1);
    const go = once(createInterface({ input: process.stdin }), "line");
    console.log(JSON.stringify("ready"));
    await go;
    const received = followers.received();
    const before = await server.usage();
    for (const turn of turns) await followers.flush(turn.topics, turn.bytes, intervalMs);
    const { user, system } = usageBetween(before, await server.usage());
    followers.check(received, turns);
    const deliveries = turns.reduce((sum, turn) => sum + followers.subscribersOf(turn.topics), 0);
    return { cpuUs: user + system, deliveries };
  },
);
