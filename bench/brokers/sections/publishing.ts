import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import type { Options } from "../options.ts";
import type { PublishingResult, PublishingSpec } from "../trials/publishing.ts";
import { percent, runTrials, titleOf, waysOf, withSpread } from "./run-trials.ts";

const BYTES = 100;
const IN_FLIGHT = 256;
const topicCounts = [1, 100] as const;

/** How much one process publishes, with nobody who follows it. */
export async function publishing({ isQuick, rounds: asked, engines, cores }: Options): Promise<object> {
  const rounds = asked ?? (isQuick ? 1 : 3);
  const specs = topicCounts.flatMap((topics) =>
    waysOf(engines).map((way): PublishingSpec => {
      const flood = { topics, ms: isQuick ? 1000 : 2000, inFlight: IN_FLIGHT, bytes: BYTES };
      return { ...way, cores, flood };
    }),
  );
  const results = await runTrials<PublishingSpec, PublishingResult>("publishing.ts", specs, rounds, cores[1]);
  const rows = [...results].map(([spec, all]) => ({ ...spec, title: titleOf(spec), ...medians(all), rounds: all }));
  for (const topics of topicCounts) {
    const lines = rows
      .filter(({ flood }) => flood.topics === topics)
      .map((row) => {
        const speeds = row.rounds.map(({ perSecond }) => perSecond);
        return [
          row.title,
          withSpread(speeds, median(speeds), (value) => value.toFixed(0)),
          figure(row.cpuUs),
          row.engine === "memory" ? "" : figure(row.serverUs),
          percent(row.processShare),
          row.engine === "memory" ? "" : percent(row.serverShare),
          percent(row.waitedShare),
        ];
      });
    const to = topics === 1 ? "one topic" : `${topics} topics`;
    console.log(`\nPublishing: ${IN_FLIGHT} messages of ${BYTES} bytes on their way to ${to}, nobody follows\n`);
    console.log(table(["", "a second", "CPU us", "server us", "process", "server", "waited"], lines));
  }
  return { rounds, inFlight: IN_FLIGHT, rows };
}
