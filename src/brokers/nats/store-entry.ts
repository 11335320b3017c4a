import type { MsgHdrs } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import { bodyOf, JetStreamError, type ApiFailure } from "./jetstream-api.ts";
import type { NatsLink } from "./nats-link.ts";

/** JetStream's answer to a message. */
interface Acknowledgement {
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: ApiFailure;
}

/** A message that JetStream holds. */
export interface Stored {
  readonly offset: number;
  /** Whether it is an earlier message with the same id. */
  readonly isDuplicate: boolean;
}

/** JetStream's code for a message whose subject has another newest message than the publisher expects. */
const WRONG_LAST_SEQUENCE = 10071;

/**
 * Stores a message in the stream. It sends the request in this turn.
 *
 * @throws {CometError} `ERR_UNACKNOWLEDGED`; `ERR_BROKER` if it is not stored, as a {@link JetStreamError} if JetStream says so.
 */
export async function storeEntry(
  link: NatsLink,
  subject: string,
  payload: string,
  headers: MsgHdrs | undefined,
): Promise<Stored> {
  const unanswered = "ERR_UNACKNOWLEDGED";
  const encoded = headers === undefined ? {} : { headers };
  const body = bodyOf(await link.request({ subject, payload, ...encoded, unanswered }), unanswered);
  const { seq, duplicate, error } = body as Acknowledgement;
  if (error !== undefined) throw new JetStreamError(error, "store a message");
  if (!Number.isSafeInteger(seq)) throw new CometError(unanswered, "JetStream's answer has no sequence.");
  return { offset: seq, isDuplicate: duplicate === true };
}

/** Whether a message was not stored because its subject has another newest message than the publisher expected. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof JetStreamError && error.errCode === WRONG_LAST_SEQUENCE;
}
