import type { Msg } from "@nats-io/transport-node";
import { CometError, type CometErrorCode } from "../../core/errors.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import type { NatsLink } from "./nats-link.ts";

/** The configuration of a stream, as far as a hub depends on it, by JetStream's names. */
export interface StreamConfig {
  readonly name: string;
  readonly description?: string;
  readonly subjects?: readonly string[];
  readonly retention?: string;
  readonly storage?: string;
  readonly discard?: string;
  readonly discard_new_per_subject?: boolean;
  /** In nanoseconds. */
  readonly max_age?: number;
  readonly max_msgs_per_subject?: number;
  readonly max_msgs?: number;
  readonly max_bytes?: number;
  readonly max_msg_size?: number;
  readonly max_consumers?: number;
  readonly num_replicas?: number;
  /** In nanoseconds. */
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
    /** The number of messages of each requested subject. */
    readonly subjects?: Readonly<Record<string, number>>;
  };
  /** The server's clock. Since nats-server 2.10. */
  readonly ts?: string;
}

export interface ConsumerInfo {
  readonly created: string;
  /** The number of messages for the consumer. */
  readonly num_pending: number;
}

/** The error part of an answer of JetStream. */
export interface ApiFailure {
  readonly err_code?: number;
  readonly description?: string;
}

/** JetStream's answer is an error. Its codes are in https://github.com/nats-io/nats-server/blob/main/server/errors.json. */
export class JetStreamError extends CometError {
  /** JetStream's `err_code`; 0 if there is none. */
  readonly errCode: number;

  constructor(failure: ApiFailure, action: string) {
    super("ERR_BROKER", `JetStream does not ${action}: ${failure.description ?? "it gives no reason"}.`);
    this.errCode = failure.err_code ?? 0;
  }
}

/** JetStream's code for a stream that does not exist. */
const STREAM_NOT_FOUND = 10059;

export function isStreamGone(error: unknown): boolean {
  return error instanceof JetStreamError && error.errCode === STREAM_NOT_FOUND;
}

/** Time for which an unused consumer outlives the process that created it, in nanoseconds: 5 s. */
const INACTIVE_NS = 5_000_000_000;

/**
 * Sends a request to JetStream's API, and returns its answer. This file has the requests that several others send.
 *
 * They use the protocol itself, and not the package `@nats-io/jetstream`, so that each request has the broker's time limit, its bound of
 * pending bytes, and an error as soon as the connection ends.
 *
 * @param action The requested action, for the message of the error.
 * @throws {CometError} `ERR_BROKER`; a {@link JetStreamError} if the answer is an error.
 */
export async function requestApi<Answer>(
  link: NatsLink,
  subject: string,
  request: unknown,
  action: string,
): Promise<Answer> {
  const payload = request === undefined ? "" : JSON.stringify(request);
  const answer = await link.request({ subject, payload, unanswered: "ERR_BROKER" });
  const body = bodyOf(answer, "ERR_BROKER") as Answer & { error?: ApiFailure };
  if (body.error !== undefined) throw new JetStreamError(body.error, action);
  return body;
}

/** Parses the body of an answer. @throws {CometError} With the code, if it is not an object. */
export function bodyOf(answer: Msg, code: CometErrorCode): object {
  let body: unknown;
  try {
    body = JSON.parse(answer.string());
  } catch (cause) {
    throw new CometError(code, `An answer of JetStream on ${answer.subject} is not JSON.`, { cause });
  }
  if (typeof body === "object" && body !== null) return body;
  throw new CometError(code, `An answer of JetStream on ${answer.subject} is not an object.`);
}

/** @param subject A subject whose messages are counted; the server needs much longer for that. */
export function streamInfo(link: NatsLink, { api, stream }: NatsSettings, subject?: string): Promise<StreamInfo> {
  const filter = subject === undefined ? undefined : { subjects_filter: subject };
  return requestApi<StreamInfo>(link, `${api}.STREAM.INFO.${stream}`, filter, `describe the stream ${stream}`);
}

/**
 * Creates a consumer of one subject. The caller deletes it.
 *
 * @param start Its starting point, by JetStream's names.
 */
export function createConsumer(
  link: NatsLink,
  { api, stream }: NatsSettings,
  name: string,
  subject: string,
  start: object,
): Promise<ConsumerInfo> {
  const config = {
    name,
    ...start,
    filter_subject: subject,
    ack_policy: "none",
    replay_policy: "instant",
    inactive_threshold: INACTIVE_NS,
    num_replicas: 1,
    mem_storage: true,
  };
  const request = { stream_name: stream, config };
  return requestApi<ConsumerInfo>(
    link,
    `${api}.CONSUMER.CREATE.${stream}.${name}.${subject}`,
    request,
    "create a consumer",
  );
}

/** The messages to remove: all of a subject, those before a sequence, or all but the newest ones. By JetStream's names. */
interface PurgeRequest {
  readonly filter: string;
  readonly seq?: number;
  readonly keep?: number;
}

/** Removes messages of one subject. */
export async function purge(link: NatsLink, { api, stream }: NatsSettings, request: PurgeRequest): Promise<void> {
  await requestApi(link, `${api}.STREAM.PURGE.${stream}`, request, `purge ${request.filter}`);
}

/** Deletes a consumer without awaiting an answer. */
export function deleteConsumer(link: NatsLink, { api, stream }: NatsSettings, name: string): void {
  link.send(`${api}.CONSUMER.DELETE.${stream}.${name}`, "");
}

/** A name for a consumer that no other has. */
export function consumerName(): string {
  return `read-${crypto.randomUUID()}`;
}
