import { median } from "../../test/support/statistics.ts";
import { spreadOf } from "../support/spread.ts";
import { cell, count, flaws, markdownTable, oneDigit, ratio, twoDigits } from "./cells.ts";
import { loadsOf, named, type Results } from "./results.ts";

const bold = (isOurs: boolean, title: string): string => (isOurs ? `**${title}**` : title);

/** Where the figures are from. */
export function runText({ run, minutes, fanout, delay, scale }: Results): string {
  const { commit, isChanged, date, isQuick, node, cpu, cores, memoryGiB, kernel, loadBefore } = run;
  const lines = [
    `All figures of this page are of one run of commit \`${commit}\`${isChanged ? ", with changes that were not committed" : ""}, ` +
      `which began on ${date} UTC and took ${minutes.toFixed(0)} minutes. Machine: ${cores} cores (${cpu}), ${memoryGiB} GiB, ${kernel}, Node ${node.slice(1)}, ` +
      `load average ${loadBefore.toFixed(1)} before the run. Rounds: ${fanout.rounds} of the fan-out, ${delay.rounds} of the delay, ${scale.rounds} of the cost model.`,
  ];
  if (isQuick) lines.push("It was a quick run (`--quick`): its rounds are too few to compare figures.");
  return lines.join("\n\n");
}

export function fanoutTable({ fanout }: Results): string {
  const all = loadsOf(fanout.loads);
  const c = all.get("c");
  const rows = [...all.values()]
    .sort((a, b) => median(a.one) - median(b.one))
    .map(({ title, isOurs, one, ten }) => {
      const figures = {
        "one a turn": spreadOf(one),
        "x C": ratio(one, c?.one),
        "ten a turn": spreadOf(ten),
        "ten x C": ratio(ten, c?.ten),
      };
      return [
        bold(isOurs, title),
        cell(figures["one a turn"]),
        cell(figures["x C"], twoDigits),
        cell(figures["ten a turn"]),
        cell(figures["ten x C"], twoDigits),
        flaws(figures),
      ];
    });
  return markdownTable(["server", "one message a turn, us", "x C", "ten messages a turn, us", "x C", "flaws"], rows);
}

export function delayTable({ delay }: Results): string {
  const ws = named(delay.rows, "ws");
  const rows = delay.rows
    .toSorted((a, b) => a.p99Ms - b.p99Ms)
    .map(({ name, title, all }) => {
      const p99 = all.map(({ p99Ms }) => p99Ms);
      const figures = {
        p50: spreadOf(all.map(({ p50Ms }) => p50Ms)),
        p99: spreadOf(p99),
        "x ws": ratio(
          p99,
          ws?.all.map(({ p99Ms }) => p99Ms),
        ),
      };
      return [
        bold(name.startsWith("ours"), title),
        cell(figures.p50),
        cell(figures.p99),
        cell(figures["x ws"], twoDigits),
        flaws(figures),
      ];
    });
  return markdownTable(["server", "p50, ms", "p99, ms", "p99 x `ws`", "flaws"], rows);
}

export function http2Table({ http2 }: Results): string {
  const rows = [...loadsOf(http2.loads).values()].map(({ title, isOurs, one, ten, idleKiB }) => {
    const figures = { "one a turn": spreadOf(one), "ten a turn": spreadOf(ten), memory: idleKiB };
    return [
      bold(isOurs, title),
      cell(figures["one a turn"]),
      cell(figures["ten a turn"]),
      cell(idleKiB, oneDigit),
      flaws(figures),
    ];
  });
  return markdownTable(["server", "one message a turn, us", "ten a turn, us", "KiB a stream", "flaws"], rows);
}

export function connectionTable({ memory, connect }: Results): string {
  const ws = named(memory.rows, "ws");
  const wsOpening = named(connect.rows, "ws")?.all.map(({ cpuUs }) => cpuUs);
  const rows = memory.rows.map(({ name, title, idleKiBs }) => {
    const opening = named(connect.rows, name)?.all.map(({ cpuUs }) => cpuUs);
    const figures = {
      memory: spreadOf(idleKiBs),
      "memory x ws": ratio(idleKiBs, ws?.idleKiBs),
      opening: opening && spreadOf(opening),
      "opening x ws": opening && ratio(opening, wsOpening),
    };
    return [
      bold(name === "ours", title),
      cell(figures.memory, oneDigit),
      cell(figures["memory x ws"], twoDigits),
      cell(figures.opening),
      cell(figures["opening x ws"], twoDigits),
      flaws(figures),
    ];
  });
  return markdownTable(["server", "KiB an idle connection", "x `ws`", "us to open", "x `ws`", "flaws"], rows);
}

export function backlogTable({ backlog }: Results): string {
  const file = named(backlog.rows, "static-file")?.all.map(({ cpuNsPerByte }) => cpuNsPerByte);
  const rows = backlog.rows.map(({ name, title, all }) => {
    const ns = all.map(({ cpuNsPerByte }) => cpuNsPerByte);
    const figures = { ns: spreadOf(ns), "x file": ratio(ns, file) };
    return [bold(name === "ours", title), cell(figures.ns), cell(figures["x file"], twoDigits), flaws(figures)];
  });
  return markdownTable(["server", "ns a byte", "x the file", "flaws"], rows);
}

export function encodingTable({ encoding }: Results): string {
  const bare = encoding.rows.find(({ way }) => way === "bare")?.all;
  const rows = encoding.rows.map(({ title, all }) => {
    const figures = { ns: spreadOf(all), ratio: ratio(all, bare) };
    return [title, cell(figures.ns, count), cell(figures.ratio, twoDigits), flaws(figures)];
  });
  return markdownTable(["encoding", "ns", "x `JSON.stringify`", "flaws"], rows);
}

/** The medians of one variant, for the table of the README: one message a turn, ten a turn. */
export function readmeFigures({ fanout }: Results, name: string, unit = ""): string {
  const loads = loadsOf(fanout.loads).get(name);
  if (loads === undefined) return "not measured";
  const text = (values: readonly number[]): string => `${Number(median(values).toPrecision(2))}${unit}`;
  return `${text(loads.one)}, ${text(loads.ten)}`;
}
