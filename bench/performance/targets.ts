import { median } from "../../test/support/statistics.ts";
import { spreadOf, type Spread } from "../support/spread.ts";
import { cell, flaws, markdownTable, ratio, twoDigits } from "./cells.ts";
import { loadsOf, named, type Results } from "./results.ts";

/** A ratio that a figure should not exceed. */
interface Target {
  readonly title: string;
  readonly most: number;
  /** Undefined if it was not measured. */
  readonly measured: Spread | undefined;
}

function targetsOf(results: Results): readonly Target[] {
  const { delay, memory, connect, encoding, backlog, scale } = results;
  const http1 = loadsOf(results.fanout.loads);
  const http2 = loadsOf(results.http2.loads);
  const [ours, uring, c, ws, betterSse] = ["ours", "ours-uring", "c", "ws", "better-sse"].map((name) =>
    http1.get(name),
  );
  const between = (values: readonly number[] | undefined, others: readonly number[] | undefined): Spread | undefined =>
    values && ratio(values, others);
  const p99 = (name: string): readonly number[] | undefined => named(delay.rows, name)?.all.map(({ p99Ms }) => p99Ms);
  const idle = (name: string): readonly number[] | undefined => named(memory.rows, name)?.idleKiBs;
  const opening = (name: string): readonly number[] | undefined =>
    named(connect.rows, name)?.all.map(({ cpuUs }) => cpuUs);
  const encoded = (way: string): readonly number[] | undefined => encoding.rows.find((row) => row.way === way)?.all;
  const perByte = (name: string): readonly number[] | undefined =>
    named(backlog.rows, name)?.all.map(({ cpuNsPerByte }) => cpuNsPerByte);
  return [
    { title: "one message a turn, to the C loop", most: 1.35, measured: between(ours?.one, c?.one) },
    { title: "the same with io_uring", most: 1.05, measured: between(uring?.one, c?.one) },
    { title: "ten messages a turn with io_uring, to the C loop", most: 1.05, measured: between(uring?.ten, c?.ten) },
    { title: "ten messages a turn, to `ws`", most: 0.15, measured: between(ours?.ten, ws?.ten) },
    { title: "ten messages a turn, to better-sse", most: 0.25, measured: between(ours?.ten, betterSse?.ten) },
    { title: "a delivery with the most connections measured, to one with 1,000", most: 1.5, measured: growthOf(scale) },
    { title: "p99 of the delay with 5,000 connections, to `ws`", most: 1, measured: between(p99("ours"), p99("ws")) },
    { title: "an idle connection, to `ws`", most: 1, measured: between(idle("ours"), idle("ws")) },
    { title: "an idle connection, to better-sse", most: 0.5, measured: between(idle("ours"), idle("better-sse")) },
    { title: "opening a connection, to `ws`", most: 1.2, measured: between(opening("ours"), opening("ws")) },
    {
      title: "HTTP/2 with a connection each, to the bare stream",
      most: 1.05,
      measured: between(http2.get("ours-h2")?.one, http2.get("h2-write")?.one),
    },
    {
      title: "a string as an sse frame, to `JSON.stringify`",
      most: 1.5,
      measured: between(encoded("sse"), encoded("bare")),
    },
    {
      title: "a byte of a backlog, to a byte of a file",
      most: 1.5,
      measured: between(perByte("ours"), perByte("static-file")),
    },
  ];
}

/** The cost of a delivery with the most connections to that with 1,000: one topic, the smallest messages. */
function growthOf({ flushes }: Results["scale"]): Spread | undefined {
  const rows = flushes.filter(
    ({ groups, bytes }) => groups === 1 && bytes === Math.min(...flushes.map((one) => one.bytes)),
  );
  const small = rows.find(({ subscribers }) => subscribers === 1000);
  const large = rows.at(-1);
  if (small === undefined || large === undefined || large === small) return undefined;
  const scale = small.subscribers / small.spread.median / large.subscribers;
  const { median: middle, lower, upper, rounds } = large.spread;
  return { median: middle * scale, lower: lower * scale, upper: upper * scale, rounds };
}

export function targetTable(results: Results): string {
  const rows = targetsOf(results).map(({ title, most, measured }) => {
    const verdict = measured === undefined ? "not measured" : measured.median <= most ? "met" : "missed";
    return [
      title,
      `at most ${most} x`,
      measured === undefined ? "" : `${cell(measured, twoDigits)} x`,
      verdict,
      flaws({ measured }),
    ];
  });
  return markdownTable(["target", "", "measured", "", "flaws"], [...rows, belowPeers(results)]);
}

/** One message a turn is to cost less than with everything else in JavaScript. */
function belowPeers({ fanout }: Results): readonly string[] {
  const title = "one message a turn: below every peer in JavaScript";
  const loads = loadsOf(fanout.loads);
  const ours = loads.get("ours");
  const peers = fanout.loads[0]?.rows.filter(({ kind, name }) => kind === "peer" && name !== "nchan") ?? [];
  const best = peers.toSorted((a, b) => a.cost.cpuUs - b.cost.cpuUs)[0];
  if (ours === undefined || best === undefined) return [title, "", "", "not measured", ""];
  const least = loads.get(best.name)?.one ?? [];
  const verdict = median(ours.one) < median(least) ? "met" : "missed";
  const measured = { ours: spreadOf(ours.one), [best.title]: spreadOf(least) };
  return [
    title,
    `below ${best.title}, ${cell(measured[best.title])} us`,
    `${cell(measured.ours)} us`,
    verdict,
    flaws(measured),
  ];
}
