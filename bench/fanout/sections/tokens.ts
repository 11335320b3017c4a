import { median, quantile } from "../../../test/support/statistics.ts";
import { table } from "../../../test/support/table.ts";
import { inFreshProcess } from "../../support/fresh-process.ts";
import { inRounds } from "../../support/rounds.ts";
import { verdict } from "../../support/verdict.ts";
import type { Section } from "./section.ts";

const titles = {
  bare: "control: a Response, one frame a chunk",
  batched: "limit: a Response, 1,000 frames a chunk",
  ours: "comet-sockets, topic.publishFrom, sse",
  "ours-awaited": "comet-sockets, an awaited publish each, sse",
  "ours-chunked": "comet-sockets, chunked, without a topic",
  hono: "peer: Hono streamSSE, each write awaited",
};
const ways = Object.keys(titles) as (keyof typeof titles)[];
/** Fewer rounds say too little of a ratio. */
const LEAST_ROUNDS = 7;

/** The cost of a token of a language model: from a generator through one topic to one reader, beside a bare `Response`. */
export const tokens: Section = {
  name: "tokens",
  isUsual: () => true,
  run: async ({ pace, rounds: asked, cores }) => {
    const rounds = pace === "quick" ? (asked ?? 1) : Math.max(LEAST_ROUNDS, asked ?? (pace === "full" ? 15 : 7));
    const count = pace === "quick" ? 100_000 : 1_000_000;
    const script = new URL("../trials/tokens.ts", import.meta.url);
    const results = await inRounds(ways, rounds, async (way) => {
      const { ns } = (await inFreshProcess(script, [way, String(count)], cores[0])) as { ns: number };
      return ns;
    });
    const bare = results.get("bare") ?? [];
    const rows = [...results].map(([way, all]) => {
      // The two of a round were measured one after the other, and make a pair.
      const ratios = all.map((ns, round) => ns / (bare[round] ?? NaN));
      const [ratio, lower, upper] = [median(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75)];
      return { way, ns: median(all), ratios, ratio, lower, upper };
    });
    const lines = rows.map(({ way, ns, ratio, lower, upper }) => [
      titles[way],
      ns.toFixed(0),
      ratio.toFixed(3),
      `${lower.toFixed(3)}-${upper.toFixed(3)}`,
      way === "bare" ? "" : verdict(ratio, lower, upper),
    ]);
    console.log(
      `\n${count.toLocaleString("en")} tokens of 4 bytes from a generator to the reader of a Response, in one process: CPU a token, ${rounds} rounds\n`,
    );
    console.log(table(["", "ns", "x bare", "quartiles", ""], lines));
    return { rounds, count, rows };
  },
};
