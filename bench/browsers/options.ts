import { parseArgs } from "node:util";
import type { BrowserName } from "../../test/support/browsers/browser.ts";
import { ways, type Way } from "./ways.ts";

export interface Options {
  readonly browsers: readonly BrowserName[];
  readonly ways: readonly Way[];
  /** How often each way is measured: each round pairs it with the `EventSource` and the reader of the same round. */
  readonly rounds: number;
  /** How many events come out of the hub's log, and how many are published one a turn. */
  readonly logged: number;
  readonly live: number;
}

const browsers: readonly BrowserName[] = ["chromium", "firefox", "webkit"];

const usage = `npm run bench:browsers -- [--quick] [--browsers=${browsers.join()}] [--wires=${ways.map(({ name }) => name).join()}] [--rounds=n]`;

/** Reads the command line. @throws {RangeError} for what it cannot mean. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      browsers: { type: "string" },
      wires: { type: "string" },
      rounds: { type: "string" },
    },
  });
  const rounds = values.rounds === undefined ? 7 : Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds > 0)) throw new RangeError(`--rounds: 1 or more.\n${usage}`);
  return {
    browsers: chosen(browsers, (name) => name, values.browsers),
    ways: chosen(ways, ({ name }) => name, values.wires),
    rounds,
    logged: values.quick ? 50_000 : 200_000,
    live: values.quick ? 10_000 : 50_000,
  };
}

function chosen<T>(all: readonly T[], nameOf: (one: T) => string, names: string | undefined): readonly T[] {
  if (names === undefined) return all;
  return names.split(",").map((name) => {
    const found = all.find((one) => nameOf(one) === name);
    if (found === undefined)
      throw new RangeError(`There is no ${name}: there are ${all.map(nameOf).join(", ")}.\n${usage}`);
    return found;
  });
}
