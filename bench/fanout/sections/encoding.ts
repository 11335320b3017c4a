import { median } from "../../../test/support/statistics.ts";
import { table } from "../../../test/support/table.ts";
import { inFreshProcess } from "../../support/fresh-process.ts";
import { inRounds } from "../../support/rounds.ts";
import type { Section } from "./section.ts";

const kinds = ["words", "quoted", "object"] as const;
const titles = {
  bare: "JSON.stringify",
  play: "script as Play's helper makes it",
  sse: "sse frame",
  comet: "comet frame",
  "sse-publish": "sse frame, with all checks of publish",
  "comet-publish": "comet frame, with all checks of publish",
  "sse-log": "sse frame, published to a log and read from it",
};
const ways = Object.keys(titles) as (keyof typeof titles)[];

/** What it costs to encode a message, which is done once for everybody. */
export const encoding: Section = {
  name: "encoding",
  isUsual: () => true,
  run: async ({ pace, rounds: asked, cores }) => {
    const rounds = asked ?? { quick: 1, usual: 5, full: 9 }[pace];
    const script = new URL("../trials/encoding.ts", import.meta.url);
    const cases = kinds.flatMap((kind) => ways.map((way) => ({ kind, way })));
    const results = await inRounds(cases, rounds, async ({ kind, way }) => {
      const { ns } = (await inFreshProcess(script, [kind, way, pace === "quick" ? "150" : "400"], cores[0])) as {
        ns: number;
      };
      return ns;
    });
    const rows = [...results].map(([{ kind, way }, all]) => ({ kind, way, ns: median(all) }));
    const nsOf = (kind: string, way: string): number =>
      rows.find((row) => row.kind === kind && row.way === way)?.ns ?? NaN;
    const lines = ways.map((way) => [
      titles[way],
      ...kinds.flatMap((kind) => [nsOf(kind, way).toFixed(0), (nsOf(kind, way) / nsOf(kind, "bare")).toFixed(2)]),
    ]);
    console.log(
      "\nEncoding a message of about 100 characters, to UTF-8 in a buffer: nanoseconds, once for all subscribers\n",
    );
    console.log(table(["", "plain string", "x bare", "with quotes and &", "x bare", "object", "x bare"], lines));
    return { rounds, rows };
  },
};
