import { CometError } from "../../core/errors.ts";
import { afterTurn } from "../../core/turn.ts";
import type {
  Broker,
  BrokerHost,
  BrokerPublication,
  FiniteTopics,
  History,
  LeaseAnswer,
  Notice,
  TopicBounds,
} from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import type { Found } from "./listeners.ts";
import { ObjectDatabase, type ObjectStorageLike } from "./object-database.ts";
import { Store } from "./store.ts";
import type { Answer, ReadCall, WriteCall } from "./worker-protocol.ts";

/** The shortest time in milliseconds until the next alarm. */
const SOONEST_MS = 1000;

/**
 * The broker in the storage of a Durable Object. It outlives the object's memory: an object that was evicted finds its
 * topics again. What is too old is removed by the object's alarm, so that no timer keeps the object in memory.
 */
export class ObjectBroker implements Broker {
  readonly name = "durable-object";
  readonly isDense = true;
  readonly finite: FiniteTopics;
  readonly #storage: ObjectStorageLike;
  readonly #store: Store;
  readonly #listeners = new Map<number, { readonly topic: string; readonly listener: (notice: Notice) => void }>();
  #ids = 0;
  #host: BrokerHost | undefined;
  #alarmAt: number | undefined;
  #isClosed = false;

  /**
   * @param topicTtlMs The time for which the epoch and the last offset of a topic outlive its last message.
   * @throws {CometError} `ERR_BROKER_CONFIG` if the object's own tables are in the way.
   */
  constructor(storage: ObjectStorageLike, topicTtlMs: number) {
    this.#storage = storage;
    this.#store = new Store(ObjectDatabase.open(storage), { topicTtlMs });
    const write = async (call: WriteCall): Promise<unknown> => Promise.resolve(this.#write(call));
    this.finite = {
      maxKeptMs: Infinity,
      acquire: async (topic, request, bounds) =>
        (await write({ op: "acquire", topic, request, bounds })) as LeaseAnswer,
      renewLease: async (topic, fence, leaseMs) => {
        await write({ op: "renewLease", topic, fence, leaseMs });
      },
      settle: async (topic, message, bounds) =>
        (await write({ op: "settle", topic, message, bounds })) as number | undefined,
      delete: async (topic) => (await write({ op: "delete", topic })) as Position | undefined,
    };
  }

  attach(host: BrokerHost): void {
    this.#host = host;
  }

  async publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    const position = this.#write({ op: "publish", topic, message, bounds }) as Position;
    // Without a turn of its own, a loop of publications would leave no time for the streams of the object's clients.
    await new Promise<void>((resolve) => afterTurn(resolve));
    return position;
  }

  // The methods are async so that they reject instead of throwing.
  // eslint-disable-next-line @typescript-eslint/require-await
  async read(topic: string, after: number, bounds: TopicBounds): Promise<History> {
    return this.#read({ op: "read", topic, after, bounds }) as History;
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    this.unlisten(topic);
    this.#ids += 1;
    this.#read({ op: "listen", topic, id: this.#ids });
    this.#listeners.set(this.#ids, { topic, listener });
  }

  unlisten(topic: string): void {
    if (this.#isClosed) return;
    for (const [id, listener] of this.#listeners) if (listener.topic === topic) this.#listeners.delete(id);
    this.#read({ op: "unlisten", topic });
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async renew(topic: string, epoch: string): Promise<void> {
    this.#write({ op: "renew", topic, epoch });
  }

  signal(text: string): void {
    // An object has no other processes.
    afterTurn(() => this.#host?.signalled(text));
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#host = undefined;
    this.#listeners.clear();
  }

  /** Removes what is too old, and sets the next alarm. Called by the object's alarm. */
  async sweep(): Promise<void> {
    this.#alarmAt = undefined;
    while (this.#store.sweep(Infinity));
    const due = this.#store.nextDue;
    if (due !== undefined) await this.#setAlarm(due);
  }

  #write(call: WriteCall): unknown {
    this.#assertOpen();
    const { answers, found } = this.#store.write([call], Infinity, true);
    this.#notifyLater(found ?? this.#store.next(Infinity));
    const due = this.#alarmAt === undefined ? this.#store.nextDue : undefined;
    // A failed write of the alarm resets the object, as every failed write of its storage does.
    if (due !== undefined) void this.#setAlarm(due);
    return valueOf(answers[0]);
  }

  #read(call: ReadCall): unknown {
    this.#assertOpen();
    return valueOf(this.#store.read([call], Infinity).answers[0]);
  }

  #setAlarm(due: number): Promise<void> {
    this.#alarmAt = Math.max(due, Date.now() + SOONEST_MS);
    return this.#storage.setAlarm(this.#alarmAt);
  }

  #notifyLater({ notices, isMore }: Found): void {
    if (notices.length > 0) {
      afterTurn(() => {
        for (const { id, notice } of notices) this.#listeners.get(id)?.listener(notice);
      });
    }
    if (isMore) this.#notifyLater(this.#store.next(Infinity));
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
  }
}

/** @throws {CometError} the error of an answer. */
function valueOf(answer: Answer | undefined): unknown {
  if (answer === undefined) throw new CometError("ERR_BROKER", "The storage of the object gave no answer.");
  if ("error" in answer) throw new CometError(answer.error.code, answer.error.message);
  return answer.value;
}
