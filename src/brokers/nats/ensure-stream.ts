import { setTimeout as sleep } from "node:timers/promises";
import { headers } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import {
  isStreamGone,
  JetStreamError,
  requestApi,
  streamInfo,
  type StreamConfig,
  type StreamInfo,
} from "./jetstream-api.ts";
import { entriesLimit, type NatsSettings } from "./nats-broker-options.ts";
import { NoRespondersError, type NatsLink } from "./nats-link.ts";
import { beginEpoch, describeMark, markOf } from "./stream-epoch.ts";
import type { Subjects } from "./subjects.ts";

/** JetStream's code for a stream that exists already. */
const STREAM_NAME_IN_USE = 10058;
/** JetStream's codes while it starts, or has lost its leader: it recovers by itself. */
const passing = new Set([10008, 10009]);
/** The delay before the stream is asked again, in milliseconds. */
const RETRY_MS = 20;

/**
 * Creates the stream if it is missing, and checks its configuration otherwise. A stream that differs is never changed: it may be
 * another application's, and its limits decide what other hubs believe to be held.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG` if it cannot be created, or differs from what this hub needs; `ERR_BROKER` if JetStream does
 *   not answer.
 */
export async function ensureStream(link: NatsLink, settings: NatsSettings, subjects: Subjects): Promise<StreamInfo> {
  const info = await findOrCreate(link, settings, subjects);
  checkConfig(info.config, settings, subjects);
  const { entries } = markOf(info);
  // After a bound was widened by hand, the number of messages no longer shows whether some have been removed.
  return entries === settings.maxEntries ? info : await beginEpoch(link, settings, info);
}

/**
 * Publishes a message that the stream rejects, because it names another stream. It tries until the stream answers or the link ends: a
 * stream that another process has just created does not take messages yet.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG` if publishing is not permitted.
 */
export async function tryPublishing(link: NatsLink, subject: string): Promise<void> {
  const otherStream = headers();
  otherStream.set("Nats-Expected-Stream", "*");
  for (;;) {
    try {
      await link.request({ subject, payload: "", headers: otherStream, unanswered: "ERR_BROKER" });
      return;
    } catch (error) {
      if (!(error instanceof NoRespondersError)) throw error;
    }
    await sleep(RETRY_MS);
  }
}

async function findOrCreate(link: NatsLink, settings: NatsSettings, subjects: Subjects): Promise<StreamInfo> {
  try {
    return await streamInfo(link, settings);
  } catch (error) {
    if (error instanceof NoRespondersError) throw withoutJetStream(settings, error);
    if (!isStreamGone(error)) throw asConfigError(error);
  }
  const { api, stream } = settings;
  try {
    const config = newConfig(settings, subjects);
    return await requestApi<StreamInfo>(link, `${api}.STREAM.CREATE.${stream}`, config, `create the stream ${stream}`);
  } catch (error) {
    // Another process has created it since.
    if (error instanceof JetStreamError && error.errCode === STREAM_NAME_IN_USE) {
      return await streamInfo(link, settings);
    }
    throw asConfigError(error);
  }
}

function withoutJetStream({ api }: NatsSettings, cause: CometError): CometError {
  return new CometError(
    "ERR_BROKER_CONFIG",
    `JetStream does not answer on ${api}: it is disabled, not enabled for this account, or not ready yet.`,
    { cause },
  );
}

function asConfigError(error: unknown): unknown {
  if (!(error instanceof JetStreamError) || passing.has(error.errCode)) return error;
  return new CometError("ERR_BROKER_CONFIG", error.message, { cause: error });
}

function newConfig(settings: NatsSettings, subjects: Subjects): StreamConfig {
  return {
    name: settings.stream,
    description: describeMark({ generation: 1, base: 0, entries: settings.maxEntries }),
    max_msgs: -1,
    max_msg_size: -1,
    max_consumers: -1,
    num_replicas: settings.replicas,
    ...requiredConfig(settings, subjects),
  };
}

/** The configuration that the broker relies on to know which messages are held. */
function requiredConfig(settings: NatsSettings, subjects: Subjects): Omit<StreamConfig, "name"> {
  const maxAge = settings.maxAgeMs * 1_000_000;
  return {
    subjects: [subjects.all],
    retention: "limits",
    discard: "old",
    storage: settings.storage,
    max_age: maxAge,
    max_msgs_per_subject: entriesLimit(settings),
    max_bytes: settings.maxStreamBytes ?? -1,
    duplicate_window: maxAge,
    allow_direct: true,
    republish: { src: subjects.all, dest: subjects.live },
  };
}

function checkConfig(config: StreamConfig, settings: NatsSettings, subjects: Subjects): void {
  const required = Object.entries(requiredConfig(settings, subjects));
  const different = required.filter(([name, value]) => !isSame(config[name as keyof StreamConfig], value));
  const faults = different.map(([name, value]) => {
    const actual = JSON.stringify(config[name as keyof StreamConfig]) as string | undefined;
    return `${name} is ${actual ?? "not set"} instead of ${JSON.stringify(value)}`;
  });
  if ((config.max_msgs ?? -1) > 0) faults.push(`max_msgs is ${String(config.max_msgs)}`);
  if ((config.max_msg_size ?? -1) > 0) faults.push(`max_msg_size is ${String(config.max_msg_size)}`);
  for (const name of ["no_ack", "sealed", "mirror", "sources"] as const) {
    if (config[name] !== undefined && config[name] !== false) faults.push(`${name} is set`);
  }
  if (faults.length === 0) return;
  throw new CometError(
    "ERR_BROKER_CONFIG",
    `The stream ${settings.stream} does not fit this hub: ${faults.join("; ")}. ` +
      "Set the broker's bounds to those of the stream, edit or remove the stream, or name another one by the option stream.",
  );
}

/** Compares a value of a stream's configuration. JetStream omits defaults: a missing value is -1, and in an object false. */
function isSame(actual: unknown, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return (actual ?? -1) === value;
  if (Array.isArray(value)) return JSON.stringify(actual) === JSON.stringify(value);
  if (typeof actual !== "object" || actual === null) return false;
  const names = new Set([...Object.keys(actual), ...Object.keys(value)]);
  const [one, other] = [actual as Record<string, unknown>, value as Record<string, unknown>];
  return [...names].every((name) => (one[name] ?? false) === (other[name] ?? false));
}
