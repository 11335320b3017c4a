import { beforeAll, describe, expect, test } from "vitest";
import type { Parts } from "../../../bench/performance/markers.ts";
import { checkDocuments, partsOf } from "../../../bench/performance/documents.ts";
import type { Results } from "../../../bench/performance/results.ts";
import { fitCostModel, predictUs } from "../../../bench/scale/cost-model.ts";
import { spreadOf } from "../../../bench/support/spread.ts";

/** The results of a run: every ratio is that of the given figures. */
function results(ours: readonly number[]): Results {
  const cost = (cpuUs: number) => ({
    cpuUs,
    userUs: 1,
    systemUs: cpuUs - 1,
    p50Ms: 1,
    p99Ms: 2,
    bytesPerMessage: 137,
    loadShare: 0.5,
  });
  const rowOf = (name: string, kind: "limit" | "ours" | "control" | "peer", values: readonly number[]) => ({
    ...{ name, title: `title of ${name}`, kind, idleKiB: 10, cost: cost(values[0] ?? NaN) },
    idleKiBs: [10, 10, 10],
    costs: values.map(cost),
  });
  const rows = [
    rowOf("c", "limit", [5, 5, 5]),
    rowOf("ours", "ours", ours),
    rowOf("bare-write", "control", [10, 10, 10]),
    rowOf("ws", "peer", [8, 8, 8]),
    rowOf("better-sse", "peer", [12, 12, 12]),
  ];
  const common = { publishes: 1, warmUps: 1, intervalMs: 1, bytes: 100 };
  const loads = ["one", "ten"].map((name) => ({ ...common, name, title: name, perTurn: 1, rows }));
  const delayed = { p50Ms: 1, p99Ms: 2, maxMs: 3, cpuUs: 9, serverShare: 0.5, loadShare: 0.5 };
  const opened = { perSecond: 1, cpuUs: 100, firstByteP50Ms: 1, firstByteP99Ms: 1, loadShare: 0.5 };
  const read = { cpuNsPerByte: 3, userNsPerByte: 1, systemNsPerByte: 2, bytesPerClient: 1, seconds: 1, loadShare: 0.5 };
  const model = { fixedUs: 100, perGroupUs: 20, perSubscriberUs: 8, perByteNs: 0.5 };
  const flushes = [1, 100].flatMap((groups) =>
    [100, 1000, 18_000].flatMap((subscribers) =>
      [100, 2000].map((bytes) => {
        const cpuUs = predictUs(model, { groups, subscribers, bytes });
        return { groups, subscribers, bytes, cpuUs, spread: spreadOf([cpuUs, cpuUs, cpuUs]) };
      }),
    ),
  );
  const named = <T extends object>(one: T) =>
    ["ours", "ws"].map((name) => ({ name, title: name, ...one, all: [one, one, one] }));
  return {
    run: {
      ...{ commit: "abc1234", isChanged: false, date: "2026-11-29 06:00", isQuick: false, node: "v24.21.0" },
      ...{ cpu: "a processor", cores: 2, memoryGiB: 24, kernel: "Linux 6.18", loadBefore: 0.1 },
    },
    minutes: 14,
    fanout: { connections: 1000, rounds: 3, loads },
    delay: {
      connections: 5000,
      bytes: 100,
      messages: 20,
      warmUps: 15,
      intervalMs: 100,
      rounds: 3,
      rows: named(delayed),
    },
    http2: { streams: 1000, rounds: 3, loads },
    memory: {
      ...{ connections: 8000, rounds: 3 },
      rows: ["ours", "ws"].map((name) => ({ name, title: name, idleKiB: 10, emptyMiB: 80, idleKiBs: [10, 10, 10] })),
    },
    connect: { connections: 8000, atOnce: 50, rounds: 3, rows: named(opened) },
    backlog: {
      ...{ clients: 1, messages: 1, bytes: 1, rounds: 3 },
      rows: (["ours", "static-file"] as const).map((name) => ({ name, title: name, ...read, all: [read, read, read] })),
    },
    encoding: {
      rounds: 3,
      rows: (["bare", "sse"] as const).map((way) => ({ way, title: way, ns: 100, all: [100, 100, 100] })),
    },
    scale: {
      ...{ rounds: 3, openFiles: 20_000, flushes, fit: fitCostModel(flushes) },
      ...{ idleKiB: spreadOf([10, 10, 10]), kernelKiB: spreadOf([3, 3, 3]), emptyMiB: spreadOf([80, 80, 80]) },
      simulations: [
        {
          ...{ processes: 3, subscribers: 5000, topics: 330, turns: 40, bytes: [60, 1500], deliveries: 100 },
          ...{ predictedMs: 90, measuredMs: spreadOf([100, 100, 100]) },
        },
      ],
    },
  };
}

const paths = ["docs/performance.md", "docs/deployment.md", "README.md"];

test("every document has one place for each of its parts", () => {
  expect(checkDocuments).not.toThrow();
});

describe("the parts of a run", () => {
  let parts: Parts;
  beforeAll(() => {
    parts = Object.assign({}, ...paths.map((path) => partsOf(path, results([9, 9, 9]))));
  });

  test("have no figure that is missing", () => {
    expect(Object.keys(parts).length).toBeGreaterThan(15);
    for (const [name, part] of Object.entries(parts)) {
      expect(part, name).not.toBe("");
      expect(part, name).not.toMatch(/NaN|undefined|Infinity|null/);
    }
  });

  test("name the run", () => {
    expect(parts["run"]).toMatch(
      /`abc1234`, which began on 2026-11-29 06:00 UTC.*2 cores \(a processor\).*Linux 6\.18, Node 24/,
    );
    expect(parts["run"]).not.toMatch(/quick|changes/);
    expect(parts["chart"]).toBe("A run of commit abc1234, 2026-11-29 06:00 UTC, Node 24.21.0, a processor, 2 cores.");
    expect(parts["cpu-ours"]).toBe("9 µs, 9 µs");
  });

  test("compare each round with the C loop, and the cheapest comes first", () => {
    const lines = parts["fanout"]?.split("\n") ?? [];
    expect(lines[2]).toBe(
      "| title of c | 5.00 (5.00-5.00) | 1.00 (1.00-1.00) | 5.00 (5.00-5.00) | 1.00 (1.00-1.00) | |",
    );
    expect(lines[4]).toBe(
      "| **title of ours** | 9.00 (9.00-9.00) | 1.80 (1.80-1.80) | 9.00 (9.00-9.00) | 1.80 (1.80-1.80) | |",
    );
  });

  test("say which targets are met", () => {
    expect(parts["targets"]).toContain(
      "| one message a turn, to the C loop | at most 1.35 x | 1.80 (1.80-1.80) x | missed | |",
    );
    expect(parts["targets"]).toContain("| the same with io_uring | at most 1.05 x | | not measured | |");
    expect(parts["targets"]).toContain("to `ws` | at most 1 x | 1.00 (1.00-1.00) x | met | |");
    expect(parts["targets"]).toMatch(/below every peer in JavaScript \| below title of ws, 8\.00 .* \| missed \| \|/);
  });

  test("predict the processes, the files and the cores of a million subscribers", () => {
    expect(parts["million"]).toMatch(/at most as many subscribers as were measured \| 56 \|/);
    expect(parts["million"]).toMatch(/`ulimit -n`, `LimitNOFILE` \| 18,358, of which 500/);
    // 56 x (100 + 20 + 17,858 x 8.05) us.
    expect(parts["million"]).toContain("| one message of 100 bytes a second, on one topic | 8.06 | 14.4 % | 144 ms |");
    expect(parts["million"]).toMatch(
      /ten of 100 bytes a second, published apart \| 80\.6 \| 144 %: too much for one core/,
    );
    expect(parts["simulation"]).toContain("| 90.0 | 100 (100-100) | -10.0 % | |");
  });

  test("mark what varies too much, and a quick run", () => {
    const wild = partsOf("docs/performance.md", results([8, 9, 10]));
    expect(wild["fanout"]).toContain("| invalid: one a turn, x C, ten a turn, ten x C |");
    expect(wild["targets"]).toMatch(
      /to the C loop \| at most 1\.35 x \| 1\.80 \(1\.60-2\.00\) x \| missed \| invalid: measured \|/,
    );
    const one = results([9]);
    const quick = partsOf("docs/performance.md", { ...one, run: { ...one.run, isQuick: true, isChanged: true } });
    expect(quick["run"]).toMatch(/with changes that were not committed.*\n\nIt was a quick run/s);
    expect(quick["fanout"]).toContain("| **title of ours** | 9.00 | 1.80 | 9.00 | 1.80 | too few rounds |");
  });
});
