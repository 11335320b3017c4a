/**
 * The control topic of a stream, which a broker keeps beside the topic of its messages: what all processes know of the stream.
 *
 * Each entry is a whole state, or a change of it. A state says which changes it includes, so the newest state and the later changes are all
 * that a process needs, and the older entries may leave the topic. Entries come from a broker, so each is checked, and a malformed one is
 * left out.
 */

import { now } from "../../core/clock.ts";
import type { Log } from "../../log/log.ts";
import type { ProducerTag } from "./producers.ts";
import type { StreamConfig } from "./stream-config.ts";

/** The beginning of the names of control topics. No stream has such a name. */
export const CONTROL_PREFIX = "~ds/";

/** The part of a stream that all processes know. */
export interface ControlState {
  readonly config: StreamConfig;
  /** The ids of the streams that were forked from it. */
  readonly forks: readonly string[];
  readonly isDeleted: boolean;
  readonly closedBy?: ProducerTag | undefined;
}

/** A change of a stream. */
export type ControlChange =
  | { readonly type: "forked" | "fork removed"; readonly id: string }
  | { readonly type: "deleted" }
  | { readonly type: "closing"; readonly by: ProducerTag };

/** A whole state, which includes all changes up to an offset of the control topic. */
export type ControlEntry = ControlChange | ({ readonly type: "state"; readonly through: number } & ControlState);

/** The state of a stream, as of now. */
export interface KnownState {
  readonly state: ControlState;
  /** The offset of the control topic up to which its entries are included. */
  readonly through: number;
  /** The time of the newest entry, in milliseconds since 1970. */
  readonly at: number;
}

/** Returns the state that a control topic's log says; `undefined` if there is no such stream. */
export function stateOf(log: Log): KnownState | undefined {
  const entries: { readonly offset: number; readonly entry: ControlEntry }[] = [];
  let newestAt = -Infinity;
  for (let index = log.floor + 1; index <= log.lastMessage; index += 1) {
    const { json, offset, at } = log.entry(index);
    const entry = parseEntry(json);
    if (entry !== undefined) entries.push({ offset, entry });
    newestAt = at;
  }
  const newest = entries.findLast(({ entry }) => entry.type === "state")?.entry;
  if (newest?.type !== "state") return undefined;
  const { type: _, through, ...state } = newest;
  const changes = entries.filter(({ offset, entry }) => offset > through && entry.type !== "state");
  return {
    state: changes.reduce((before, { entry }) => changed(before, entry), state),
    through: log.headOffset,
    at: Date.now() - (now() - newestAt),
  };
}

function changed(state: ControlState, entry: ControlEntry): ControlState {
  switch (entry.type) {
    case "forked":
      return { ...state, forks: [...state.forks.filter((id) => id !== entry.id), entry.id] };
    case "fork removed":
      return { ...state, forks: state.forks.filter((id) => id !== entry.id) };
    case "deleted":
      return { ...state, isDeleted: true };
    case "closing":
      return { ...state, closedBy: entry.by };
    case "state":
      return state;
  }
}

function parseEntry(json: string): ControlEntry | undefined {
  const entry = JSON.parse(json) as Partial<ControlEntry> | null;
  if (typeof entry !== "object" || entry === null) return undefined;
  return isEntry(entry) ? entry : undefined;
}

function isEntry(entry: Partial<ControlEntry>): entry is ControlEntry {
  switch (entry.type) {
    case "forked":
    case "fork removed":
      return typeof entry.id === "string";
    case "deleted":
      return true;
    case "closing":
      return isTag(entry.by);
    case "state":
      return (
        Number.isSafeInteger(entry.through) &&
        typeof entry.isDeleted === "boolean" &&
        Array.isArray(entry.forks) &&
        (entry.closedBy === undefined || isTag(entry.closedBy)) &&
        isConfig(entry.config)
      );
    default:
      return false;
  }
}

function isTag(value: unknown): value is ProducerTag {
  const { id, epoch, seq } = Object(value) as Partial<ProducerTag>;
  return typeof id === "string" && Number.isSafeInteger(epoch) && Number.isSafeInteger(seq);
}

function isConfig(value: unknown): value is StreamConfig {
  const { id, contentType, asked, ttlSeconds, expiresAt, fork } = Object(value) as Partial<StreamConfig>;
  const isNumber = (number: unknown): boolean => number === undefined || Number.isSafeInteger(number);
  const texts = [id, contentType, asked].every((text) => typeof text === "string");
  return texts && isNumber(ttlSeconds) && isNumber(expiresAt) && (fork === undefined || isFork(fork));
}

function isFork(value: unknown): boolean {
  const { from, source, lineage, shift } = Object(value) as Partial<NonNullable<StreamConfig["fork"]>>;
  return (
    typeof from === "string" && typeof source === "string" && Array.isArray(lineage) && Number.isSafeInteger(shift)
  );
}
