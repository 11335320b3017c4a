import { headers } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import { NobodyThere, type Link } from "./link.ts";
import type { Settings } from "./options.ts";
import type { Subjects } from "./subjects.ts";

/** What of a stream's configuration a hub depends on, by JetStream's names. */
export interface StreamConfig {
  readonly name: string;
  readonly description?: string;
  readonly subjects?: readonly string[];
  readonly retention?: string;
  readonly storage?: string;
  readonly discard?: string;
  readonly discard_new_per_subject?: boolean;
  readonly max_age?: number;
  readonly max_msgs_per_subject?: number;
  readonly max_msgs?: number;
  readonly max_bytes?: number;
  readonly max_msg_size?: number;
  readonly max_consumers?: number;
  readonly num_replicas?: number;
  readonly duplicate_window?: number;
  readonly allow_direct?: boolean;
  readonly no_ack?: boolean;
  readonly sealed?: boolean;
  readonly mirror?: unknown;
  readonly sources?: readonly unknown[];
  readonly republish?: { readonly src?: string; readonly dest?: string; readonly headers_only?: boolean };
}

export interface StreamInfo {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: {
    readonly first_seq: number;
    readonly last_seq: number;
    /** The number of messages of each subject that was asked for. */
    readonly subjects?: Readonly<Record<string, number>>;
  };
  /** The server's clock; since nats-server 2.10. */
  readonly ts?: string;
}

/** That JetStream says no. Its numbers are in https://github.com/nats-io/nats-server/blob/main/server/errors.json. */
export class ApiError extends CometError {
  readonly number: number;

  constructor(error: { readonly err_code?: number; readonly description?: string }, what: string) {
    super("ERR_BROKER", `JetStream does not ${what}: ${error.description ?? "it does not say why"}.`);
    this.number = error.err_code ?? 0;
  }
}

const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
/** JetStream is on its way, or has lost its leader: it will be there. */
const passing = new Set([10008, 10009]);

export function isStreamGone(error: unknown): boolean {
  return error instanceof ApiError && error.number === STREAM_NOT_FOUND;
}

/** Asks JetStream, and gives what it answers. @throws {CometError} `ERR_BROKER`; an {@link ApiError} if JetStream says no. */
export async function askApi<Answer>(link: Link, subject: string, request: unknown, what: string): Promise<Answer> {
  const payload = request === undefined ? "" : JSON.stringify(request);
  const answer = await link.ask({ subject, payload, unanswered: "ERR_BROKER" });
  const body = answer.json<Answer & { error?: { err_code?: number; description?: string } }>();
  if (body.error !== undefined) throw new ApiError(body.error, what);
  return body;
}

export function streamInfo(link: Link, { api, stream }: Settings, subject?: string): Promise<StreamInfo> {
  const filter = subject === undefined ? undefined : { subjects_filter: subject };
  return askApi<StreamInfo>(link, `${api}.STREAM.INFO.${stream}`, filter, `tell of the stream ${stream}`);
}

/**
 * The stream, which is made if there is none.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG` if it cannot be made, or is not as this hub's must be; `ERR_BROKER` if JetStream does not answer.
 */
export async function ensureStream(link: Link, settings: Settings, subjects: Subjects): Promise<StreamInfo> {
  const info = await firstInfo(link, settings, subjects);
  checkStream(info.config, settings, subjects);
  const { entries } = markOf(info);
  // Where a bound has been widened by hand, the number of messages no longer tells whether some are gone.
  return entries === settings.maxEntries ? info : await beginEpoch(link, settings, info);
}

async function firstInfo(link: Link, settings: Settings, subjects: Subjects): Promise<StreamInfo> {
  try {
    return await streamInfo(link, settings);
  } catch (error) {
    if (error instanceof NobodyThere) throw withoutJetStream(settings, error);
    if (!isStreamGone(error)) throw asConfigError(error);
  }
  const { api, stream } = settings;
  try {
    const config = configOf(settings, subjects);
    return await askApi<StreamInfo>(link, `${api}.STREAM.CREATE.${stream}`, config, `make the stream ${stream}`);
  } catch (error) {
    // Another process was faster, at another time.
    if (error instanceof ApiError && error.number === STREAM_NAME_IN_USE) return await streamInfo(link, settings);
    throw asConfigError(error);
  }
}

/**
 * Publishes what the stream does not take, being for another stream.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG` if this is not permitted.
 */
export async function tryPublishing(link: Link, subject: string): Promise<void> {
  const other = headers();
  other.set("Nats-Expected-Stream", "*");
  await link.ask({ subject, payload: "", headers: other, unanswered: "ERR_BROKER" });
}

function withoutJetStream({ api }: Settings, cause: CometError): CometError {
  return new CometError(
    "ERR_BROKER_CONFIG",
    `There is no JetStream at the NATS server, or not for this account, or not yet: nothing answers ${api}.`,
    { cause },
  );
}

function asConfigError(error: unknown): unknown {
  if (!(error instanceof ApiError) || passing.has(error.number)) return error;
  return new CometError("ERR_BROKER_CONFIG", error.message, { cause: error });
}

function configOf(settings: Settings, subjects: Subjects): StreamConfig {
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

/** What a stream must have, or the broker would be wrong about what is held. */
function requiredConfig(settings: Settings, subjects: Subjects): Omit<StreamConfig, "name"> {
  const maxAge = settings.maxAgeMs * 1_000_000;
  return {
    subjects: [subjects.all],
    retention: "limits",
    discard: "old",
    storage: settings.storage,
    max_age: maxAge,
    max_msgs_per_subject: settings.maxEntries,
    max_bytes: settings.maxStreamBytes ?? -1,
    duplicate_window: maxAge,
    allow_direct: true,
    republish: { src: subjects.all, dest: subjects.live },
  };
}

function checkStream(config: StreamConfig, settings: Settings, subjects: Subjects): void {
  const required = Object.entries(requiredConfig(settings, subjects));
  const others = required.filter(([name, value]) => !isSame(config[name as keyof StreamConfig], value));
  const faults = others.map(([name, value]) => {
    const has = JSON.stringify(config[name as keyof StreamConfig]) as string | undefined;
    return `${name} is ${has ?? "not set"} instead of ${JSON.stringify(value)}`;
  });
  if ((config.max_msgs ?? -1) > 0) faults.push(`max_msgs is ${String(config.max_msgs)}`);
  if ((config.max_msg_size ?? -1) > 0) faults.push(`max_msg_size is ${String(config.max_msg_size)}`);
  for (const name of ["no_ack", "sealed", "mirror", "sources"] as const) {
    if (config[name] !== undefined && config[name] !== false) faults.push(`${name} is set`);
  }
  if (faults.length === 0) return;
  throw new CometError(
    "ERR_BROKER_CONFIG",
    `The stream ${settings.stream} is not as this hub needs it: ${faults.join("; ")}. ` +
      "Give the broker the bounds of the stream, edit the stream, remove it, or choose another name with the option stream.",
  );
}

function isSame(has: unknown, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return (has ?? -1) === value;
  if (Array.isArray(value)) return JSON.stringify(has) === JSON.stringify(value);
  if (typeof has !== "object" || has === null) return false;
  const names = new Set([...Object.keys(has), ...Object.keys(value)]);
  const [one, other] = [has as Record<string, unknown>, value as Record<string, unknown>];
  return [...names].every((name) => (one[name] ?? false) === (other[name] ?? false));
}

/**
 * The mark of an epoch: how many the stream has had, the offset of the last message before it, and how many entries of a topic
 * the stream held when it began. It is in the stream's description, since streams have no metadata before nats-server 2.10.
 */
interface Mark {
  readonly generation: number;
  readonly base: number;
  readonly entries: number;
}

const marked = /^comet-sockets: epoch (\d{1,9}) after message (\d{1,16}), (\d{1,9}) entries a topic$/;

function describeMark({ generation, base, entries }: Mark): string {
  return `comet-sockets: epoch ${generation} after message ${base}, ${entries} entries a topic`;
}

function markOf({ config }: StreamInfo): Mark {
  const match = marked.exec(config.description ?? "");
  const [generation = 0, base = 0, entries = 0] = match?.slice(1).map(Number) ?? [];
  return { generation, base, entries };
}

/** An epoch of all topics. */
export interface Epoch {
  readonly name: string;
  /** The offset of the last message of the epoch before: it is not of this one. */
  readonly base: number;
}

/** The epoch: by when the stream was made, how many epochs it has had, and where this one begins. */
export function epochOf(info: StreamInfo): Epoch {
  const [, seconds = "", fraction = ""] = /^(.{19})(?:\.(\d+))?/.exec(info.created) ?? [];
  const nanos = BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
  const { generation, base } = markOf(info);
  return { name: `${nanos.toString(36)}g${generation.toString(36)}n${base.toString(36)}`, base };
}

/** Begins the epoch after the one of `info`. Processes that do so at the same time begin the same, unless there are new messages. */
export function beginEpoch(link: Link, settings: Settings, info: StreamInfo): Promise<StreamInfo> {
  const { api, stream, maxEntries } = settings;
  const mark = { generation: markOf(info).generation + 1, base: info.state.last_seq, entries: maxEntries };
  const config = { ...info.config, description: describeMark(mark) };
  return askApi<StreamInfo>(link, `${api}.STREAM.UPDATE.${stream}`, config, `update the stream ${stream}`);
}
