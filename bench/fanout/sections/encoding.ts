import { median } from "../../../test/support/statistics.ts";
import { table } from "../../../test/support/table.ts";
import { inFreshProcess } from "../../support/fresh-process.ts";
import { inRounds } from "../../support/rounds.ts";
import type { Section } from "./section.ts";

const titles = {
  bare: "JSON.stringify",
  sse: "sse frame",
  comet: "comet frame",
  "sse-publish": "sse frame, with all checks of publish",
  "comet-publish": "comet frame, with all checks of publish",
};
const ways = Object.keys(titles) as (keyof typeof titles)[];

/** The cost of encoding a message, which happens once for all subscribers. */
export const encoding = {
  name: "encoding",
  isUsual: () => true,
  run: async ({ pace, rounds: asked, cores }) => {
    const rounds = asked ?? { quick: 1, usual: 5, full: 9 }[pace];
    const script = new URL("../trials/encoding.ts", import.meta.url);
    const results = await inRounds(ways, rounds, async (way) => {
      const { ns } = (await inFreshProcess(script, [way, pace === "quick" ? "150" : "400"], cores[0])) as {
        ns: number;
      };
      return ns;
    });
    const rows = [...results].map(([way, all]) => ({ way, title: titles[way], ns: median(all), all }));
    const bare = rows.find(({ way }) => way === "bare")?.ns ?? NaN;
    const lines = rows.map(({ title, ns }) => [title, ns.toFixed(0), (ns / bare).toFixed(2)]);
    console.log(
      "\nEncoding a string of about 100 characters, to UTF-8 in a buffer: nanoseconds, once for all subscribers\n",
    );
    console.log(table(["", "ns", "x bare"], lines));
    return { rounds, rows };
  },
} satisfies Section;
