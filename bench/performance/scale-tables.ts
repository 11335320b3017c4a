import { figure } from "../../test/support/table.ts";
import type { CostModel } from "../scale/cost-model.ts";
import { fleetOf, predictFleet, SPARE_FILES, type Fleet, type Traffic } from "../scale/million.ts";
import { cell, count, flaws, markdownTable, oneDigit, percent } from "./cells.ts";
import type { Results } from "./results.ts";

const MILLION = 1_000_000;
const GIB = 1024 ** 3;

const terms: readonly (readonly [name: keyof CostModel, unit: string, title: string])[] = [
  ["fixedUs", "us", "each flush: waking up, and the turn of the event loop"],
  ["perGroupUs", "us", "each topic with a message: encoding it, and the pass over its group"],
  ["perSubscriberUs", "us", "each subscriber: the write"],
  ["perByteNs", "ns", "each byte of a message and subscriber: the kernel's copy"],
];

export function modelTable({ scale }: Results): string {
  const { model, standardErrors, rmsError, largestError, residuals } = scale.fit;
  const rows = terms.map(([name, unit, title]) => {
    const unsure = Math.abs(standardErrors[name]) * 2 > Math.abs(model[name]);
    return [
      title,
      `${figure(model[name])} ${unit}`,
      `${figure(standardErrors[name])} ${unit}`,
      unsure ? "not distinct from 0" : "",
    ];
  });
  return (
    markdownTable(["term", "fitted", "standard error", "flaws"], rows) +
    `\n\nThe fit has ${residuals.length} measurements. The root mean square of its errors is ${percent(rmsError, 1)}, and the largest error is ${percent(largestError, 1)}.`
  );
}

export function residualTable({ scale }: Results): string {
  const rows = scale.fit.residuals.map(({ groups, subscribers, bytes, predictedUs, error }, i) => {
    const spread = scale.flushes[i]?.spread;
    const each = spread && {
      ...spread,
      median: spread.median / subscribers,
      lower: spread.lower / subscribers,
      upper: spread.upper / subscribers,
    };
    return [
      count(subscribers),
      count(groups),
      count(bytes),
      cell(each),
      figure(predictedUs / subscribers),
      percent(error, 1),
      flaws({ measured: each }),
    ];
  });
  const header = ["subscribers", "topics", "bytes", "measured, us a delivery", "fitted", "error", "flaws"];
  return markdownTable(header, rows);
}

const traffics: readonly (readonly [title: string, traffic: Traffic])[] = [
  ["nothing but a heartbeat every 15 s", { flushesPerSecond: 1 / 15, groups: 1, bytes: 3 }],
  ["one message of 100 bytes a second, on one topic", { flushesPerSecond: 1, groups: 1, bytes: 100 }],
  ["the same, on 1,000 topics with a message each", { flushesPerSecond: 1, groups: 1000, bytes: 100 }],
  ["one message of 2,000 bytes a second, on one topic", { flushesPerSecond: 1, groups: 1, bytes: 2000 }],
  ["ten of 100 bytes a second, published together", { flushesPerSecond: 1, groups: 1, bytes: 1000 }],
  ["ten of 100 bytes a second, published apart", { flushesPerSecond: 10, groups: 1, bytes: 100 }],
];

/** The processes for a million subscribers, of the largest size that was measured. */
export function millionFleet({ scale }: Results): Fleet {
  const memory = {
    emptyBytes: scale.emptyMiB.median * 1024 ** 2,
    idleBytes: scale.idleKiB.median * 1024,
    kernelBytes: scale.kernelKiB.median * 1024,
  };
  return fleetOf(memory, MILLION, largestOf(scale.flushes));
}

function largestOf(flushes: Results["scale"]["flushes"]): number {
  return Math.max(...flushes.map(({ subscribers }) => subscribers));
}

export function millionTables(results: Results): string {
  const { scale } = results;
  const fleet = millionFleet(results);
  const needs = [
    ["processes, of which each has at most as many subscribers as were measured", count(fleet.processes)],
    ["subscribers of each", count(fleet.subscribers)],
    [
      "open files of each process: `ulimit -n`, `LimitNOFILE`",
      `${count(fleet.subscribers + SPARE_FILES)}, of which ${SPARE_FILES} are for openings, the broker and the rest`,
    ],
    [
      "open files of all: `fs.file-max`, and twice as many for a proxy",
      count(fleet.processes * (fleet.subscribers + SPARE_FILES)),
    ],
    ["memory of an idle connection in its process", `${cell(scale.idleKiB, oneDigit)} KiB`],
    ["memory of a process without connections", `${cell(scale.emptyMiB, count)} MiB`],
    ["memory of all processes", `${(fleet.processBytes / GIB).toFixed(1)} GiB`],
    ["the kernel's memory for the server's end of an idle connection", `${cell(scale.kernelKiB, oneDigit)} KiB`],
    ["the kernel's memory for all", `${(fleet.kernelBytes / GIB).toFixed(1)} GiB`],
  ];
  const rows = traffics.map(([title, traffic]) => {
    const { cores, share, flushMs } = predictFleet(scale.fit.model, fleet, traffic);
    const isPossible = share <= 1;
    return [
      title,
      figure(cores),
      isPossible ? percent(share, 1) : `${percent(share)}: too much for one core`,
      `${figure(flushMs)} ms`,
    ];
  });
  const header = ["traffic to each subscriber", "cores, fully busy", "of a core, each process", "one flush"];
  const memory = flaws({
    "KiB a connection": scale.idleKiB,
    "the kernel's": scale.kernelKiB,
    "MiB a process": scale.emptyMiB,
  });
  return [
    markdownTable(["a million subscribers need", ""], needs),
    ...(memory === "" ? [] : [`Flaws of the memory: ${memory}.`]),
    `This machine's limit of ${count(scale.openFiles)} open files permits ${count(scale.openFiles - SPARE_FILES)} connections a process; the largest number that was measured is ${count(largestOf(scale.flushes))}.`,
    markdownTable(header, rows),
  ].join("\n\n");
}

export function simulationTable({ scale }: Results): string {
  const rows = scale.simulations.map(
    ({ processes, subscribers, topics, turns, bytes, deliveries, predictedMs, measuredMs }) => [
      count(processes),
      count(subscribers),
      count(topics),
      `${turns}, ${count(bytes[0])} to ${count(bytes[1])} bytes`,
      count(deliveries),
      figure(predictedMs),
      cell(measuredMs),
      percent(predictedMs / measuredMs.median - 1, 1),
      flaws({ measured: measuredMs }),
    ],
  );
  const header = [
    "processes",
    "subscribers each",
    "topics",
    "flushes",
    "deliveries",
    "predicted, ms",
    "measured, ms",
    "error",
    "flaws",
  ];
  return markdownTable(header, rows);
}
