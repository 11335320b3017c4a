import { fileURLToPath } from "node:url";
import { LineProcess } from "../support/line-process.ts";
import { inNamespace } from "../support/namespace.ts";
import { pinned } from "../support/pinned.ts";
import { predictUs, type CostModel } from "./cost-model.ts";
import { trafficOf } from "./traffic.ts";
import type { SimulationResult, SimulationSpec } from "./trials/simulation.ts";

/** Runs one hub for each specification, all at the same time. Rejects if one of them fails. */
export async function simulate(specs: readonly SimulationSpec[]): Promise<readonly SimulationResult[]> {
  const script = fileURLToPath(new URL("trials/simulation.ts", import.meta.url));
  const processes = specs.map((spec) => {
    const command = pinned(spec.cores[1], [process.execPath, script, JSON.stringify(spec)]);
    return new LineProcess(inNamespace(command));
  });
  try {
    // One after the other: each takes the whole of both cores to connect.
    for (const one of processes) await one.next();
    const results = await Promise.all(processes.map((one) => one.ask("go")));
    return results.map((line) => JSON.parse(line) as SimulationResult);
  } finally {
    for (const one of processes) one.stop();
  }
}

/** What the model says that the traffic of one hub costs, in microseconds. */
export function predictTraffic(model: CostModel, spec: SimulationSpec): number {
  const { sizes, turns } = trafficOf(spec);
  return turns.reduce((sum, { topics, bytes }) => {
    const subscribers = sizes.slice(0, topics).reduce((all, size) => all + size, 0);
    return sum + predictUs(model, { groups: topics, subscribers, bytes });
  }, 0);
}
