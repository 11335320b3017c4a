import { headers, type MsgHdrs } from "@nats-io/transport-node";
import { getRaw, type EntrySource } from "./get-entries.ts";
import { isTime } from "./life.ts";
import { EXPECTED_HEADER } from "./message-codec.ts";

/** The newest renewal of a producer's lease, as it is stored. Other versions decode it: names may be added, and none changed. */
export interface Renewal {
  readonly fence: string;
  readonly leaseMs: number;
  readonly ttlMs: number;
  readonly base: number;
  /** The number of messages that were published with the lease before. */
  readonly sent: number;
}

/** The newest record of renewals of a topic's lease. */
export interface LeaseRecord {
  readonly offset: number;
  /** The time of the renewal by the server's clock. */
  readonly at: number;
  /** Undefined if no hub has written it. */
  readonly renewal: Renewal | undefined;
}

/** The record of a topic that has ended: it has no lease. */
export const END_RECORD = "{}";

export function encodeRenewal({ fence, leaseMs, ttlMs, base, sent }: Renewal): string {
  return JSON.stringify({ fence, lease: leaseMs, ttl: ttlMs, base, sent });
}

/** The header of a renewal that is stored only if no other one was stored since. */
export function renewalHeaders(expected: number): MsgHdrs {
  const encoded = headers();
  encoded.set(EXPECTED_HEADER, String(expected));
  return encoded;
}

/** @param subject The subject of the renewals of a topic. */
export async function readLeaseRecord(
  source: Omit<EntrySource, "subject">,
  subject: string,
): Promise<LeaseRecord | undefined> {
  const raw = await getRaw(source, { last_by_subj: subject });
  if (raw === undefined) return undefined;
  const { offset, data, storedAt } = raw;
  return { offset, at: storedAt, renewal: Number.isFinite(storedAt) ? decodeRenewal(data) : undefined };
}

function decodeRenewal(text: string): Renewal | undefined {
  try {
    const { fence, lease, ttl, base, sent = 0 } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof fence !== "string" || ![lease, ttl, base, sent].every(isTime)) return undefined;
    return { fence, leaseMs: lease, ttlMs: ttl, base, sent } as Renewal;
  } catch {
    return undefined;
  }
}
