/** The program of the process of the anonymous clients of `strangers`. */
import { attackAll, HOLDING } from "./attacks.ts";
import { serveCalls } from "./child.ts";
import { until } from "./clock.ts";
import { Random } from "./random.ts";
import type { Ports } from "./strangers-server.ts";
import { Tally } from "./tally.ts";

const tally = new Tally();
const filled = new Set<string>();
let isOver = false;
let attack: Promise<void> | undefined;

export interface AttackState {
  /** How many of each, by name. */
  readonly counts: { readonly [name: string]: number };
  readonly cpuMs: number;
}

serveCalls({
  start: ({ ports, seed, fullTopics }: { ports: Ports; seed: number; fullTopics: number }) => {
    attack = attackAll({ ports, fullTopics, random: new Random(seed), tally, filled, isOver: () => isOver });
  },
  /** Resolves when the attacks hold as many connections as they can: true, or false if that takes too long. */
  holding: (timeoutMs: number) => until(() => filled.size === HOLDING, timeoutMs),
  /** Ends each attack when its present request is answered. */
  stop: async () => {
    isOver = true;
    await attack;
  },
  state: (): AttackState => {
    const { user, system } = process.cpuUsage();
    return { counts: Object.fromEntries(tally.counts), cpuMs: (user + system) / 1000 };
  },
});
