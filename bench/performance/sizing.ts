import { median } from "../../test/support/statistics.ts";
import { figure } from "../../test/support/table.ts";
import { predictUs } from "../scale/cost-model.ts";
import { count, markdownTable } from "./cells.ts";
import { loadsOf, named, type Results } from "./results.ts";

/** The figures of docs/deployment.md that other runs have measured: those of brokers and of Express. */
const MESSAGE_OF_BROKER_US = 90;
const FOUR_WORKERS_ON_TWO_CORES = 1.5;
const EXPRESS_KIB = 28;
/** A stream is recycled after ten minutes, less up to a tenth at random. */
const RECYCLED_AFTER_S = 570;
/** The bytes of a message of 100 bytes as an SSE frame, and those of TCP and IP. */
const FRAME_BYTES = 135;
const PACKET_BYTES = 52;

const VIEWERS = 50_000;
const CORES = 2;
const GIB_KIB = 1024 ** 2;

/** The figures that a size is computed from. */
interface Figures {
  /** A delivery in a process with so many subscribers, one message of 100 bytes a flush. */
  readonly deliveryUs: (subscribers: number) => number;
  readonly openingUs: number;
  readonly idleKiB: number;
  readonly emptyMiB: number;
  readonly mostConnections: number;
}

function figuresOf({ memory, connect, scale }: Results): Figures {
  const idle = named(memory.rows, "ours")?.idleKiBs ?? [];
  return {
    deliveryUs: (subscribers) => predictUs(scale.fit.model, { groups: 1, subscribers, bytes: 100 }) / subscribers,
    openingUs: named(connect.rows, "ours")?.cpuUs ?? NaN,
    idleKiB: median(idle),
    emptyMiB: scale.emptyMiB.median,
    mostConnections: Math.max(...scale.flushes.map(({ subscribers }) => subscribers)),
  };
}

const memoryText = (kib: number): string =>
  kib < GIB_KIB ? `${count(kib / 1024)} MiB` : `${(kib / GIB_KIB).toFixed(1)} GiB`;

/** The arithmetic for 50,000 viewers. */
export function sizingText(results: Results): string {
  const { deliveryUs, openingUs, idleKiB, emptyMiB, mostConnections } = figuresOf(results);
  const processes = Math.ceil(VIEWERS / mostConnections / CORES) * CORES;
  const each = VIEWERS / processes;
  const us = deliveryUs(each);
  const delivering = (VIEWERS * us) / 1e6;
  const shared = delivering * FOUR_WORKERS_ON_TWO_CORES;
  const opening = (VIEWERS / RECYCLED_AFTER_S) * (openingUs / 1e6);
  const cores = Math.ceil(2 * (shared + opening));
  const connectionsKiB = VIEWERS * idleKiB;
  const processesKiB = processes * emptyMiB * 1024;
  const gib = (kib: number): string => count(Math.ceil((kib + processesKiB) / GIB_KIB));
  const viewers = count(VIEWERS);
  const rows = [
    ["deliveries", `${viewers} × 1`, `${viewers} a second`],
    ["CPU of deliveries", `${viewers} × ${figure(us)} us`, `${delivering.toFixed(2)} of a core`],
    [
      "the same in processes that share cores",
      `${delivering.toFixed(2)} × ${FOUR_WORKERS_ON_TWO_CORES}`,
      `${shared.toFixed(2)} of a core`,
    ],
    [
      `CPU of openings: each stream is recycled after ${RECYCLED_AFTER_S} s on average`,
      `${viewers} / ${RECYCLED_AFTER_S} s × ${count(openingUs)} us`,
      `${opening.toFixed(2)} of a core`,
    ],
    ["CPU of heartbeats: there are none while messages come every second", "0", "0"],
    [
      "CPU of a broker: one message a second for each process",
      `${processes} × ${MESSAGE_OF_BROKER_US} us`,
      `${((processes * MESSAGE_OF_BROKER_US) / 1e6).toFixed(4)} of a core`,
    ],
    ["**cores**, half busy", `(${shared.toFixed(2)} + ${opening.toFixed(2)}) / 0.5`, `**${cores}**`],
    [
      `**processes**: at most ${count(mostConnections)} connections were measured in one`,
      `${viewers} / ${count(mostConnections)}, as many on each core`,
      `**${processes}**`,
    ],
    [
      "time from the first to the last viewer of a message, in one process",
      `${count(each)} × ${figure(us)} us`,
      `${count((each * us) / 1000)} ms if the process has a core to itself`,
    ],
    ["memory of connections", `${viewers} × ${idleKiB.toFixed(1)} KiB`, memoryText(connectionsKiB)],
    [
      "the same if the handler is mounted in Express",
      `${viewers} × ${EXPRESS_KIB} KiB`,
      memoryText(VIEWERS * EXPRESS_KIB),
    ],
    ["memory of processes", `${processes} × ${count(emptyMiB)} MiB`, memoryText(processesKiB)],
    ["memory of the log: 300 messages in 300 s, in each process", `${processes} × 300 × 100 bytes`, "less than 1 MiB"],
    ["**memory** of the hubs", "connections and processes", `**${memoryText(connectionsKiB + processesKiB)}**`],
    [
      `network: an SSE frame of ${FRAME_BYTES} bytes, and ${PACKET_BYTES} of TCP and IP`,
      `${viewers} × ${FRAME_BYTES + PACKET_BYTES} bytes × 8`,
      `${count((VIEWERS * (FRAME_BYTES + PACKET_BYTES) * 8) / 1e6)} Mbit/s`,
    ],
    ["descriptors: hubs; proxy", `${viewers}; 2 × ${viewers}`, `${count(each)} a process; ${count(2 * VIEWERS)}`],
    [
      "the clients of one process that dies reconnect to the others",
      `${count(each)} × ${count(openingUs)} us`,
      `${((each * openingUs) / 1e6).toFixed(1)} s of CPU`,
    ],
  ];
  const headline =
    `**${viewers} viewers, one message a second: ${processes} processes, ${cores} cores, ${gib(connectionsKiB)} GiB of memory ` +
    `(${gib(VIEWERS * EXPRESS_KIB)} GiB in Express), and a proxy with ${count(2 * VIEWERS)} descriptors.**`;
  return `${headline}\n\n${markdownTable(["for", "arithmetic", "result"], rows)}`;
}

/** Cores and memory for other numbers of viewers. */
export function otherSizes(results: Results): string {
  const { deliveryUs, idleKiB, mostConnections } = figuresOf(results);
  const rows = [1000, 10_000, 50_000, 200_000].map((viewers) => {
    const core = (viewers * deliveryUs(Math.min(viewers, mostConnections))) / 1e6;
    const cells = [core / 15, core, core * 10, core].map((value) => figure(value));
    return [count(viewers), ...cells, memoryText(viewers * idleKiB)];
  });
  const rates = [
    "idle, a heartbeat every 15 s",
    "one message a second",
    "ten a second, published apart",
    "ten a second, published together",
  ];
  return markdownTable(["viewers", ...rates, "memory"], rows);
}

/** The measured figures that the sizes are computed from. */
export function sizingFigures(results: Results): string {
  const { deliveryUs, openingUs, idleKiB, emptyMiB, mostConnections } = figuresOf(results);
  const streams = loadsOf(results.http2.loads);
  const stream = (name: string): string => streams.get(name)?.idleKiB.median.toFixed(0) ?? "?";
  const ten = median(loadsOf(results.fanout.loads).get("ours")?.ten ?? [NaN]) * 10;
  const model = "[the cost model](performance.md#the-cost-model)";
  const connections = "[connections](performance.md#connections-backlog-encoding)";
  return markdownTable(
    ["figure", "measured", "where"],
    [
      ["an idle connection, HTTP/1.1 without TLS", `${idleKiB.toFixed(1)} KiB`, connections],
      [
        "a process without connections",
        `${count(emptyMiB)} MiB`,
        "[a million subscribers](performance.md#a-million-subscribers)",
      ],
      [
        "a stream of HTTP/2 in Node, on a connection of its own",
        `${stream("ours-h2")} KiB; HTTP/1.1 in the same run, of ${count(results.http2.streams)} connections, ${stream("ours")}`,
        "[streams](performance.md#http2)",
      ],
      [
        "a delivery, one message a flush",
        [1000, 10_000, mostConnections]
          .map((n) => `${figure(deliveryUs(n))} us with ${count(n)} connections`)
          .join(", "),
        model,
      ],
      ["ten messages in one flush", `${figure(ten)} us together`, "[fan-out](performance.md#fan-out)"],
      ["an opening", `${count(openingUs)} us`, connections],
      [
        "CPU a delivery with more workers instead of one",
        "two workers 1.10 to 1.15 x; four on two cores 1.45 to 1.5 x",
        "[processes](broker-performance.md#scaling-by-processes)",
      ],
      [
        "a message from a broker, in a process that was asleep",
        "30 us with Redis, 90 us with NATS",
        "[a delivery with a broker](broker-performance.md#the-cost-of-a-delivery)",
      ],
    ],
  );
}
