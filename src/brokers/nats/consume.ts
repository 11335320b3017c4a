import type { Msg } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import type { BrokerMessage } from "../../log/broker.ts";
import type { Link } from "./link.ts";
import { decodeMessage, fieldsOf } from "./message.ts";
import type { Settings } from "./options.ts";
import { askApi } from "./stream.ts";

/** What a consumer is asked for. */
export interface ConsumerRequest {
  readonly subject: string;
  /** The offset of the first message, or a greater one. */
  readonly from: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** What JetStream says of a consumer that it has made. */
interface ConsumerInfo {
  readonly created: string;
  /** How many messages there are for it. */
  readonly num_pending: number;
}

/** How long a consumer outlives the process that has made it. */
const INACTIVE_NS = 5_000_000_000;

/** Messages of one subject, oldest first, by a consumer that is made for this and removed. */
export async function consume(link: Link, settings: Settings, request: ConsumerRequest): Promise<BrokerMessage[]> {
  const { subject, from, maxMessages, maxBytes } = request;
  const name = consumerName();
  const config = { deliver_policy: "by_start_sequence", opt_start_seq: from };
  const { num_pending } = await makeConsumer(link, settings, name, subject, config);
  try {
    const batch = Math.min(maxMessages, num_pending);
    if (batch === 0) return [];
    return await fetch(link, settings, name, { batch, max_bytes: maxBytes, no_wait: true });
  } finally {
    removeConsumer(link, settings, name);
  }
}

/** What the server's clock says, by a consumer that is made for this and removed: before nats-server 2.10 nothing else tells. */
export async function serverTime(link: Link, settings: Settings, subject: string): Promise<string> {
  const name = consumerName();
  const { created } = await makeConsumer(link, settings, name, subject, { deliver_policy: "new" });
  removeConsumer(link, settings, name);
  return created;
}

function consumerName(): string {
  return `read-${crypto.randomUUID()}`;
}

function makeConsumer(
  link: Link,
  { api, stream }: Settings,
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
  return askApi<ConsumerInfo>(link, `${api}.CONSUMER.CREATE.${stream}.${name}.${subject}`, request, "make a consumer");
}

function removeConsumer(link: Link, { api, stream }: Settings, name: string): void {
  link.tell(`${api}.CONSUMER.DELETE.${stream}.${name}`, "");
}

interface Pull {
  readonly batch: number;
  readonly max_bytes: number;
  readonly no_wait: true;
}

/** Asks a consumer for as many messages as there are, up to the bounds of the pull. */
function fetch(link: Link, { api, stream, timeoutMs }: Settings, name: string, pull: Pull): Promise<BrokerMessage[]> {
  const messages: BrokerMessage[] = [];
  const inbox = link.inbox();
  return new Promise((resolve, reject) => {
    const end = (error?: CometError): void => {
      clearTimeout(timer);
      stay();
      subscription.unsubscribe();
      if (error === undefined) resolve(messages);
      else reject(error);
    };
    const take = (message: Msg): void => {
      // A status: there are no more, or the next would be too much.
      if (message.headers !== undefined && message.headers.code > 0) {
        end();
        return;
      }
      messages.push(decodeMessage(offsetOf(message), message.string(), fieldsOf(message.headers)));
      if (messages.length === pull.batch) end();
    };
    const timer = setTimeout(
      () => end(new CometError("ERR_BROKER", `NATS has not sent the messages of ${stream} within ${timeoutMs} ms.`)),
      timeoutMs,
    ).unref();
    const subscription = link.subscribe(inbox, take);
    const stay = link.onEnd(end);
    link.tell(`${api}.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(pull), inbox);
  });
}

/** The offset of a message in the stream, out of `$JS.ACK.(domain.account.)stream.consumer.deliveries.number...` */
function offsetOf({ reply = "" }: Msg): number {
  const tokens = reply.split(".");
  return Number(tokens[tokens.length > 9 ? 7 : 5]);
}
