/** The program of the attacking process of `strangers`. */
import { attack } from "./attacks.ts";
import { serveCalls } from "./child.ts";
import { until } from "./clock.ts";
import { Random } from "./random.ts";
import type { Ports } from "./strangers-server.ts";
import { Tally } from "./tally.ts";

const tally = new Tally();
const filled = new Map<string, boolean>();
let isOver = false;
let attacks: Promise<void> | undefined;

export interface AttackOrder {
  readonly ports: Ports;
  readonly seed: number;
  readonly fullTopics: number;
  /** The attacks to run. @default all */
  readonly names?: readonly string[];
}

export interface AttackState {
  /** The counts of {@link attack}, by name. */
  readonly counts: { readonly [name: string]: number };
  readonly cpuMs: number;
}

serveCalls({
  start: ({ ports, seed, fullTopics, names }: AttackOrder) => {
    attacks = attack({ ports, fullTopics, random: new Random(seed), tally, filled, isOver: () => isOver }, names);
  },
  /** Resolves to true when all attacks hold their full number of connections, or to false on timeout. */
  holding: (timeoutMs: number) => until(() => [...filled.values()].every(Boolean), timeoutMs),
  /** Stops each attack after its current request. */
  stop: async () => {
    isOver = true;
    await attacks;
  },
  state: (): AttackState => {
    const { user, system } = process.cpuUsage();
    return { counts: Object.fromEntries(tally.counts), cpuMs: (user + system) / 1000 };
  },
});
