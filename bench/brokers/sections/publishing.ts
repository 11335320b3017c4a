import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import type { Options } from "../options.ts";
import type { PublishingResult, PublishingSpec } from "../trials/publishing.ts";
import { percent, runTrials, titleOf, waysOf, withSpread } from "./run-trials.ts";

const BYTES = 100;
/** How many messages are on their way at a time, to how many topics. */
const floods = [
  { inFlight: 1, topics: 1 },
  { inFlight: 100, topics: 1 },
  { inFlight: 256, topics: 100 },
] as const;

/** How much one process publishes, with nobody who follows it. */
export async function publishing({ isQuick, rounds: asked, engines, cores }: Options): Promise<object> {
  const rounds = asked ?? (isQuick ? 1 : 3);
  const specs = floods.flatMap((shape) =>
    waysOf(engines).map((way): PublishingSpec => {
      const flood = { ...shape, ms: isQuick ? 1000 : 2000, bytes: BYTES };
      return { ...way, cores, flood };
    }),
  );
  const results = await runTrials<PublishingSpec, PublishingResult>("publishing.ts", specs, rounds, cores[1]);
  const rows = [...results].map(([spec, all]) => ({ ...spec, title: titleOf(spec), ...medians(all), rounds: all }));
  const isServed = ({ engine }: { readonly engine: string }): boolean => engine !== "memory" && engine !== "sqlite";
  for (const { inFlight, topics } of floods) {
    const lines = rows
      .filter(({ flood }) => flood.topics === topics && flood.inFlight === inFlight)
      .map((row) => {
        const speeds = row.rounds.map(({ perSecond }) => perSecond);
        return [
          row.title,
          withSpread(speeds, median(speeds), (value) => value.toFixed(0)),
          figure(row.cpuUs),
          isServed(row) ? figure(row.serverUs) : "",
          figure(row.ackP50Ms),
          figure(row.ackP99Ms),
          // In memory a message is acknowledged without a turn of the loop, which stands still for the whole trial.
          row.engine === "memory" ? "" : figure(row.longestStopMs),
          percent(row.processShare),
          isServed(row) ? percent(row.serverShare) : "",
          percent(row.waitedShare),
        ];
      });
    const to = topics === 1 ? "one topic" : `${topics} topics`;
    console.log(`\nPublishing: ${inFlight} of ${BYTES} bytes on their way to ${to} at a time, nobody follows\n`);
    const acks = ["acknowledged ms, p50", "p99", "longest stop ms"];
    console.log(table(["", "a second", "CPU us", "server us", ...acks, "process", "server", "waited"], lines));
  }
  return { rounds, floods, rows };
}
