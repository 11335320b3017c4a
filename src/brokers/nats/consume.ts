import type { Msg } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import { unrefTimeout } from "../../core/timers.ts";
import { consumerName, createConsumer, deleteConsumer } from "./jetstream-api.ts";
import { decodeEntry, fieldsOf, type StoredEntry } from "./message-codec.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import type { NatsLink } from "./nats-link.ts";

export interface ConsumeRequest {
  readonly subject: string;
  /** The least offset of a message. */
  readonly from: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** The time by the server's clock. */
  readonly now: number;
}

/** A pull request, by JetStream's names. */
interface PullRequest {
  readonly batch: number;
  readonly max_bytes: number;
  readonly no_wait: true;
}

/**
 * Reads messages of one subject, oldest first, by a consumer that exists only during this call. The consumer is always deleted: one that
 * remains costs the server memory for 5 s.
 */
export async function consume(link: NatsLink, settings: NatsSettings, request: ConsumeRequest): Promise<StoredEntry[]> {
  const { subject, from, maxMessages, maxBytes, now } = request;
  const name = consumerName();
  const start = { deliver_policy: "by_start_sequence", opt_start_seq: from };
  const { num_pending } = await createConsumer(link, settings, name, subject, start);
  try {
    const batch = Math.min(maxMessages, num_pending);
    if (batch === 0) return [];
    return await pull(link, settings, name, { batch, max_bytes: maxBytes, no_wait: true }, now);
  } finally {
    deleteConsumer(link, settings, name);
  }
}

/** Pulls the messages of a consumer, as many as there are within the bounds of the request. */
function pull(
  link: NatsLink,
  { api, stream, timeoutMs }: NatsSettings,
  name: string,
  request: PullRequest,
  now: number,
): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  const inbox = link.inbox();
  return new Promise((resolve, reject) => {
    const end = (error?: CometError): void => {
      clearTimeout(timer);
      removeOnEnd();
      subscription.unsubscribe();
      if (error === undefined) resolve(entries);
      else reject(error);
    };
    const receive = (message: Msg): void => {
      const offset = offsetOf(message);
      // A status ends the batch: there are no more messages, or the next one would exceed the bytes. A stored message may have a status
      // of its own, but only a message has a subject for its acknowledgement.
      if (offset === undefined) {
        end();
        return;
      }
      entries.push(decodeEntry(offset, message.string(), fieldsOf(message.headers), now));
      if (entries.length === request.batch) end();
    };
    const timer = unrefTimeout(
      () => end(new CometError("ERR_BROKER", `NATS did not send the messages of ${stream} within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    const subscription = link.subscribe(inbox, receive);
    const removeOnEnd = link.onEnd(end);
    link.send(`${api}.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), inbox);
  });
}

/** The offset of a message, out of `$JS.ACK.(domain.account.)stream.consumer.deliveries.sequence...`; undefined if it is a status. */
function offsetOf({ reply = "" }: Msg): number | undefined {
  const tokens = reply.split(".");
  const offset = Number(tokens[tokens.length > 9 ? 7 : 5]);
  return reply.startsWith("$JS.ACK.") && Number.isSafeInteger(offset) ? offset : undefined;
}
