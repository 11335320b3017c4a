/** A producer's lease, as the entries of a topic state it. Renewals are in the {@link LeaseRecord}. */
export interface Lease {
  readonly fence: string;
  readonly leaseMs: number;
  /** The time of its acquisition by the server's clock. */
  readonly at: number;
  /** The number of messages that were published with it. */
  readonly sent: number;
}

/** The life of a topic that ends, from its first message or lease until it is deleted or expires. */
export interface Life {
  readonly ttlMs: number;
  /** Entries up to this offset are of earlier lives. */
  readonly base: number;
  /** The lease of the producer, unless the topic has none or has ended. */
  readonly lease: Lease | undefined;
}

/** The encoded base of a life that an entry begins: the offset of that entry, which the server assigns. */
const OWN_OFFSET = -1;

/** The fields of a life in the header of an entry. Other versions decode them: names may be added, and none changed. */
export interface LifeFields {
  readonly ttl: number;
  readonly base: number;
  readonly fence?: string;
  readonly lease?: number;
  readonly leased?: number;
  readonly sent?: number;
}

/** @param isNew Whether the entry begins the life. `base` has no effect then. */
export function encodeLife({ ttlMs, base, lease }: Life, isNew: boolean): LifeFields {
  const fields = { ttl: ttlMs, base: isNew ? OWN_OFFSET : base };
  if (lease === undefined) return fields;
  return { ...fields, fence: lease.fence, lease: lease.leaseMs, leased: lease.at, sent: lease.sent };
}

/**
 * Decodes the life in the header of an entry. Returns undefined if no hub has written it.
 *
 * @param offset The offset of the entry.
 */
export function decodeLife(fields: unknown, offset: number): Life | undefined {
  if (typeof fields !== "object" || fields === null) return undefined;
  const { ttl, base, fence, lease, leased, sent = 0 } = fields as Readonly<Record<string, unknown>>;
  if (!isTime(ttl)) return undefined;
  if (base !== OWN_OFFSET && !(isTime(base) && base < offset)) return undefined;
  const life = { ttlMs: ttl, base: base === OWN_OFFSET ? offset : base };
  if (fence === undefined) return { ...life, lease: undefined };
  if (typeof fence !== "string" || !isTime(lease) || !isTime(leased) || !isTime(sent)) return undefined;
  return { ...life, lease: { fence, leaseMs: lease, at: leased, sent } };
}

/** Whether a value is a time, an offset or a number of messages: a safe integer, at least 0. */
export function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
