/**
 * The beginning of a stream: its head, the `open` item, the opening gaps and the expired topics.
 *
 * PROTOCOL.md, sections 4 and 5, fixes the bytes.
 */

import { joinBytes } from "../../core/bytes.ts";
import { encodeShort } from "../../core/short-memory.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import type { OpenItem, OpenState } from "../../wire/item.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { BatchSource } from "./batch.ts";
import type { Cursors } from "./cursors.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { StreamClient } from "./stream-request.ts";

/** The state in which each topic opens. */
export type OpenStates = { readonly [topic: string]: OpenState };

/** The states of the connection that was opened last, and their number. Most connections open in the same states. */
let lastStates: OpenStates = {};
let lastCount = 0;

/** Returns the states of a connection, by topic. Connections share the object, which is frozen. */
export function openStates({ logs }: BatchSource, points: readonly ResumePoint[]): OpenStates {
  const isKnown =
    points.length === lastCount && points.every(({ state }, i) => lastStates[(logs[i] as Log).topic] === state);
  if (!isKnown) {
    lastStates = Object.freeze(Object.fromEntries(points.map(({ state }, i) => [(logs[i] as Log).topic, state])));
    lastCount = points.length;
  }
  return lastStates;
}

/** The inputs of the beginning of a stream. */
export interface Opening {
  readonly group: BatchSource;
  readonly cursors: Cursors;
  readonly states: OpenStates;
  readonly points: readonly ResumePoint[];
  readonly client: StreamClient;
  /** The topics that end. */
  readonly finite: readonly string[];
  readonly heartbeatMs: number;
}

/** Returns the first bytes of a stream, and counts the messages that its opening gaps report. */
export function openingBytes(opening: Opening, counters: HubCounters): Uint8Array {
  const { group, cursors, points, client } = opening;
  const { format, logs } = group;
  const { position } = cursors;
  // Only the last item carries the position. A client that is cut off before it has received every gap resumes from
  // its old position, and gets them again.
  const lastGap = points.findLastIndex(({ missed }) => missed !== undefined);
  let text = format.head + format.control("open", openItem(opening), lastGap === -1 ? position : "");
  if (lastGap !== -1) {
    points.forEach(({ missed, cursor, position: own }, i) => {
      if (missed === undefined) return;
      const log = logs[i] as Log;
      counters.skipped += missed ?? 0;
      const gap = { topic: log.topic, missed, position: own ?? log.position(cursor) };
      text += format.control("gap", gap, i === lastGap ? position : "");
    });
  }
  for (const topic of client.expired) text += format.control("missing", { topic, status: 410 }, "");
  const place = placeAtOpening(group, cursors);
  return place === undefined ? encodeShort(text) : joinBytes([utf8(text), place]);
}

function openItem({ group, cursors, states, client, finite, heartbeatMs }: Opening): OpenItem {
  const item = { states, position: cursors.position, heartbeatMs: group.format.heartbeat === "" ? 0 : heartbeatMs };
  const { removed } = client;
  if (removed.length === 0 && finite.length === 0) return item;
  return { ...item, ...(removed.length > 0 && { removed }), ...(finite.length > 0 && { finite }) };
}

/** Returns the place of a connection that opens with nothing to send, in the formats that write places. */
function placeAtOpening({ format, logs }: BatchSource, { indexes, position }: Cursors): Uint8Array | undefined {
  if (format.batchEnd === undefined || !logs.every(({ head }, i) => indexes[i] === head)) return undefined;
  const text = utf8(format.batchEnd(position, true).text);
  return format.isChunked ? chunkOf([text]) : text;
}
