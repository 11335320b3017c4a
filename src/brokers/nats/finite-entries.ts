import { CometError } from "../../core/errors.ts";
import type { BrokerPublication } from "../../log/broker.ts";
import type { EntrySource } from "./get-entries.ts";
import { purge } from "./jetstream-api.ts";
import { encodeHeaders, type EntryContext, type StoredEntry } from "./message-codec.ts";
import { isOvertaken, storeEntry, type Stored } from "./store-entry.ts";
import type { Subjects } from "./subjects.ts";
import { inEpoch, isExpired, readState, type TopicState } from "./topic-state.ts";

/** The parts of the broker that topics that end need. */
export interface FiniteParts {
  readonly subjects: Subjects;
  /** Returns the open link and the parts that read it. @throws {CometError} If there is none. */
  open(): Omit<EntrySource, "subject">;
  /** Asks for the epoch after a failed request. */
  refresh(): void;
}

/** Topics whose state is remembered. An older one is read again when it is used. */
const MAX_KNOWN = 4096;

interface KnownState {
  /** The last state that was read or stored; undefined if only a notice has shown that the topic ends. */
  readonly state: TopicState | undefined;
  /** Whether no other process is known to have stored an entry since. */
  readonly isCurrent: boolean;
}

/** A message without content, for the marks of leases and deletions. */
const EMPTY: BrokerPublication = { json: "", event: undefined, key: undefined, messageId: undefined, bytes: 0 };

/**
 * The entries of topics that end: their states, as this process knows them, and compare-and-set on their newest entries.
 *
 * A state is never believed without the stream: an entry is stored only if the newest entry is still the one that the state names, and a
 * call is refused only after the state was read.
 */
export class FiniteEntries {
  readonly #parts: FiniteParts;
  readonly #known = new Map<string, KnownState>();

  constructor(parts: FiniteParts) {
    this.#parts = parts;
  }

  /** Whether this process knows that the topic ends. */
  has(topic: string): boolean {
    return this.#known.has(topic);
  }

  /** Forgets all states, when an epoch is over. */
  clear(): void {
    this.#known.clear();
  }

  /** Notes a state that was just read. */
  note(topic: string, state: TopicState): void {
    const known = this.#known.get(topic);
    if (known?.state !== undefined && known.state.newest > state.newest && state.newest > 0) return;
    this.#set(topic, state, true);
  }

  /** Notes an entry that the server has republished. Returns whether it is a message of the topic. */
  receive(topic: string, { kind, life, message }: StoredEntry): boolean {
    const known = this.#known.get(topic);
    // Another program may have published the notice, so it only shows that the state must be read.
    if (kind === "deleted" || (life !== undefined && known === undefined)) {
      this.#remember(topic, { state: undefined, isCurrent: false });
    }
    const end = known?.state?.end;
    const isLate = end !== undefined && message.offset > end.offset && (life?.base ?? 0) < end.offset;
    return kind === "message" && !isLate;
  }

  /** The state of a topic: the last known one, unless another process is known to have stored an entry, or as of now. */
  async state(topic: string, isFresh = false): Promise<TopicState> {
    const known = this.#known.get(topic);
    if (known?.state !== undefined && known.isCurrent && !isFresh) return this.#inEpoch(known.state);
    const state = await this.#read(topic);
    this.#set(topic, state, true);
    return this.#inEpoch(state);
  }

  /** The state of a topic as of now. Unlike `state` it may be called while another call of the topic stores an entry. */
  async peek(topic: string): Promise<TopicState> {
    return this.#inEpoch(await this.#read(topic));
  }

  /** The last known state, for `readState`. An expired life may have been followed by others that were deleted since. */
  knownState(topic: string): TopicState | undefined {
    const state = this.#known.get(topic)?.state;
    return state === undefined || isExpired(state, this.#parts.open().clock.now()) ? undefined : state;
  }

  #read(topic: string): Promise<TopicState> {
    const { subjects } = this.#parts;
    const [subject, leaseSubject] = [subjects.of(topic), subjects.leaseOf(topic)];
    return readState({ ...this.#parts.open(), subject, leaseSubject, known: this.knownState(topic) }, true);
  }

  #inEpoch(state: TopicState): TopicState {
    return inEpoch(state, this.#parts.open().epoch.current.base);
  }

  /**
   * Stores an entry after the newest one of a state.
   *
   * @returns Resolves to undefined if there is a newer one.
   * @throws {CometError} `ERR_UNACKNOWLEDGED`, `ERR_BROKER`.
   */
  async store(
    topic: string,
    state: TopicState,
    message: BrokerPublication,
    context: Pick<EntryContext, "kind" | "life"> & { readonly beginsLife?: boolean },
  ): Promise<Stored | undefined> {
    const { link, clock } = this.#parts.open();
    const { kind, life, beginsLife = false } = context;
    const at = clock.now();
    const previous = beginsLife || kind === "deleted" ? undefined : previousOf(state, kind);
    const { newest: expected, base } = state;
    const headers = encodeHeaders(topic, message, at, { kind, life, base, beginsLife, previous, expected });
    try {
      const stored = await storeEntry(link, this.#parts.subjects.of(topic), message.json, headers);
      if (!stored.isDuplicate) this.#advance(topic, state, stored.offset, at, message, { kind, life, beginsLife });
      return stored;
    } catch (error) {
      this.#outdate(topic);
      if (isOvertaken(error)) return undefined;
      if (link.isOpen) this.#parts.refresh();
      throw error;
    }
  }

  /** Finds an earlier message with the same id. The server compares ids first, and stores nothing after an entry that is not the newest. */
  async findDuplicate(topic: string, state: TopicState, message: BrokerPublication): Promise<Stored | undefined> {
    if (message.messageId === undefined || state.newest < 2) return undefined;
    const before = { ...state, newest: state.newest - 1 };
    return await this.store(topic, before, message, { kind: "message", life: state.life });
  }

  /** Stores the mark of a deletion. Resolves to undefined if there is a newer entry than that of the state. */
  async markDeleted(topic: string, state: TopicState): Promise<Stored | undefined> {
    return await this.store(topic, state, EMPTY, { kind: "deleted", life: undefined });
  }

  /** Stores the beginning of a lease. Resolves to undefined if there is a newer entry than that of the state. */
  async markLease(
    topic: string,
    state: TopicState,
    life: TopicState["life"],
    beginsLife: boolean,
  ): Promise<Stored | undefined> {
    return await this.store(topic, state, EMPTY, { kind: "begin", life, beginsLife });
  }

  /** Removes the entries before an offset. */
  async removeBefore(topic: string, offset: number): Promise<void> {
    const { link, settings } = this.#parts.open();
    await purge(link, settings, { filter: this.#parts.subjects.of(topic), seq: offset });
  }

  #advance(
    topic: string,
    before: TopicState,
    offset: number,
    at: number,
    { json, event, key, messageId, ended }: BrokerPublication,
    { kind, life, beginsLife }: Pick<EntryContext, "kind" | "life" | "beginsLife">,
  ): void {
    const end =
      life === undefined || ended === undefined ? undefined : { offset, at, json, event, key, messageId, ended };
    const base = kind === "deleted" || beginsLife ? offset : (life?.base ?? before.base);
    const own = life === undefined ? undefined : { ...life, base };
    const head = kind === "begin" && !beginsLife ? before.head : offset;
    this.#set(topic, { newest: offset, head, life: own, end, base }, true);
  }

  #outdate(topic: string): void {
    const known = this.#known.get(topic);
    if (known !== undefined) this.#known.set(topic, { ...known, isCurrent: false });
  }

  #set(topic: string, state: TopicState, isCurrent: boolean): void {
    if (state.life === undefined) this.#known.delete(topic);
    else this.#remember(topic, { state, isCurrent });
  }

  #remember(topic: string, known: KnownState): void {
    this.#known.delete(topic);
    this.#known.set(topic, known);
    if (this.#known.size <= MAX_KNOWN) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }
}

/** The offset that an entry names as that of the message before it; undefined if the entry before is that message. */
function previousOf({ newest, head, base }: TopicState, kind: EntryContext["kind"]): number | undefined {
  if (newest === 0) return undefined;
  return kind === "begin" || head !== newest || head === base ? head : undefined;
}

/** An error that names a topic. */
export function topicError(code: "ERR_ENDED" | "ERR_PRODUCER_LOST" | "ERR_BROKER", topic: string): CometError {
  const name = JSON.stringify(topic);
  if (code === "ERR_ENDED") return new CometError(code, `The topic ${name} has ended.`);
  if (code === "ERR_BROKER") return new CometError(code, `Other processes publish to the topic ${name} without pause.`);
  return new CometError(code, `This producer of the topic ${name} has lost its lease.`);
}
