import { CometError, type Hub, type StreamOutcome } from "../../src/index.ts";
import type { Random } from "../soak/support/random.ts";
import { Life, readerWires, SharedFiniteReader, type Token } from "./shared-finite-reader.ts";
import { turns, until } from "./sources.ts";

/** One call of `hub.produce`. */
interface Producing {
  readonly writer: string;
  /** The life in which its factory was called; `undefined` before. */
  life: Life | undefined;
  isSettled: boolean;
}

/** The code with which sources and ends of this test fail. */
const CODE = "quota";

/**
 * Several hubs that share one topic that ends, what is known of its lives, and readers that check what they get.
 *
 * A life is numbered by the test. So a call that begins another life waits until it is known to which life each earlier
 * call belongs.
 */
export class SharedFiniteWorld {
  readonly topic: string;
  readonly steps: string[] = [];
  readonly faults: string[] = [];
  readonly readers: readonly SharedFiniteReader[];
  readonly #hubs: readonly Hub[];
  readonly #random: Random;
  readonly #lives = new Map<number, Life>();
  readonly #calls = new Set<Promise<void>>();
  readonly #producing = new Set<Producing>();
  readonly #counts = new Map<string, number>();
  #life: Life;
  #runs = 0;
  /** Lets sources end that wait until they are stopped. */
  #release: (() => void)[] = [];

  constructor(hubs: readonly Hub[], random: Random, topic: string) {
    [this.#hubs, this.#random, this.topic] = [hubs, random, topic];
    this.#life = this.#beginLife();
    this.readers = Array.from({ length: 4 }, (_, i) => {
      const fault = (what: string): void => void this.faults.push(`Reader ${i} ${what}.`);
      return new SharedFiniteReader(topic, (number) => this.#lives.get(number), fault);
    });
  }

  /** The numbers of lives, of ends that readers got, and of refusals. */
  get counts(): { lives: number; ends: number; refusals: number } {
    const sum = (of: (reader: SharedFiniteReader) => number): number =>
      this.readers.reduce((total, reader) => total + of(reader), 0);
    return {
      lives: this.#lives.size,
      ends: sum(({ ends }) => ends.length),
      refusals: sum(({ refusals }) => refusals.length),
    };
  }

  async step(): Promise<void> {
    const random = this.#random;
    const acts: readonly [weight: number, name: string, act: () => unknown][] = [
      [5, "publish", () => this.#publish(random.whole(1, 4))],
      [1, "end", () => this.#end()],
      [3, "produce", () => this.#produce()],
      [1, "stop", () => this.#stop()],
      [1, "delete", () => this.#delete()],
      [1, "restart", () => this.#restart()],
      [6, "connect", () => this.#reader.connect(this.#hub, random.pick(readerWires))],
      [3, "cut", () => this.#reader.cut()],
      [2, "watch", () => this.#watch(this.#reader)],
      [2, "turns", () => turns(random.whole(1, 20))],
    ];
    let at = random.next() * acts.reduce((sum, [weight]) => sum + weight, 0);
    const [, name, act] = acts.find(([weight]) => (at -= weight) < 0) ?? [0, "nothing", () => undefined];
    this.steps.push(name);
    await act();
    for (const reader of this.readers) reader.absorb();
  }

  /** Ends the topic, lets every reader read to its end, and compares what they got with what the hubs returned. */
  async finish(): Promise<void> {
    await this.#settle();
    // Readers know a life by its messages.
    if (this.#life.outcome !== undefined && this.#life.acknowledged.size + this.#life.order.length === 0) {
      await this.#delete();
    }
    if (this.#life.outcome === undefined) {
      this.#publish(1);
      await this.#settle();
      await this.#end();
      await this.#settle();
    }
    const last = this.#life.number;
    for (const [i, reader] of this.readers.entries()) {
      const isDone = (): boolean => {
        if (!reader.isIdle) return false;
        if (reader.hasEnded && reader.life === last && !reader.isTold) return true;
        reader.connect(this.#hub, this.#random.pick(readerWires));
        return false;
      };
      await this.#until(`reader ${i} to end`, isDone, () => String(reader));
    }
    for (const [i, { ends }] of this.readers.entries()) {
      for (const end of ends) this.#compare(i, end.life, end.length, end.outcome);
    }
  }

  #compare(reader: number, number: number, length: number, outcome: string): void {
    const life = this.#lives.get(number) as Life;
    const has = new Set(life.order);
    const lacking = [...life.acknowledged].filter((key) => !has.has(key));
    life.outcome ??= outcome;
    const isRight = length === life.order.length && lacking.length === 0 && outcome === life.outcome;
    if (isRight) return;
    this.faults.push(
      `Reader ${reader} gets the end ${outcome} after ${length} messages of life ${number}. ` +
        `It has ended as ${life.outcome} after ${life.order.length}, and lacks ${lacking.join(" ")}.`,
    );
  }

  get #hub(): Hub {
    return this.#random.pick(this.#hubs);
  }

  get #reader(): SharedFiniteReader {
    return this.#random.pick(this.readers);
  }

  #beginLife(): Life {
    const life = new Life(this.#lives.size + 1);
    this.#lives.set(life.number, life);
    return (this.#life = life);
  }

  /** Publishes the next message of a publisher in the present life. */
  #publish(times: number): void {
    const at = this.#random.whole(0, this.#hubs.length - 1);
    const hub = this.#hubs[at] as Hub;
    const life = this.#life;
    for (let i = 0; i < times; i += 1) {
      const token = this.#next(life, `hub${at}`);
      const mustFail = life.outcome !== undefined;
      this.#call("publish", async () => {
        try {
          await hub.topic<Token>(this.topic).publish(token);
          life.acknowledged.add(`${token.writer}:${token.n}`);
          if (mustFail) this.faults.push(`Life ${life.number} takes a message after its end.`);
        } catch (error) {
          this.#allowEnded(error, life.mayEnd);
        }
      });
    }
  }

  #next(life: Life, writer: string): Token {
    const key = `${life.number} ${writer}`;
    const n = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, n);
    return { life: life.number, writer, n };
  }

  async #end(): Promise<void> {
    // Readers know a life by its messages.
    if (this.#life.acknowledged.size === 0) this.#publish(1);
    await this.#settleCalls();
    const life = this.#life;
    const outcome = this.#random.pick(["complete", CODE, "stopped"] as const);
    const options = outcome === CODE ? { error: { code: CODE, message: "The quota is used up." } } : { outcome };
    life.mayEnd = life.isEndCalled = true;
    const hub = this.#hub;
    this.#call("end", async () => {
      try {
        await hub.topic(this.topic).end(options);
        // A producer may know the end before this call does.
        const isOther = life.outcome !== undefined && life.outcome !== outcome;
        if (life.isEndAcknowledged || isOther) this.faults.push(`Life ${life.number} ends twice.`);
        life.isEndAcknowledged = true;
        life.outcome = outcome;
      } catch (error) {
        this.#allowEnded(error, true);
      }
    });
  }

  #produce(): void {
    const [first, second] = [this.#hub, this.#hub];
    const kind = this.#random.pick(["ends", "fails", "waits"] as const);
    this.steps.push(kind);
    this.#run(first, kind, false);
    if (this.#random.chance(0.4)) this.#run(second, kind, false);
  }

  async #restart(): Promise<void> {
    await this.#attribute();
    this.#life.mayEnd = true;
    const running = this.#run(this.#hub, "waits", true);
    await this.#until("the factory of a restart", () => running.life !== undefined || running.isSettled);
    if (running.life === undefined) this.faults.push("A restart has not called its factory.");
  }

  #run(hub: Hub, kind: "ends" | "fails" | "waits", restart: boolean): Producing {
    const producing: Producing = { writer: `run${(this.#runs += 1)}`, life: undefined, isSettled: false };
    const count = this.#random.whole(1, 30);
    const released = new Promise<void>((resolve) => this.#release.push(resolve));
    const tokens = async function* (this: SharedFiniteWorld, signal: AbortSignal): AsyncGenerator<Token> {
      const life = restart ? this.#beginLife() : this.#life;
      life.mayEnd = true;
      producing.life = life;
      for (let i = 0; i < count && !signal.aborted; i += 1) {
        await turns(1);
        yield this.#next(life, producing.writer);
      }
      if (kind === "fails") throw Object.assign(new Error("The source has failed."), { code: CODE });
      if (kind === "ends") return;
      const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      if (!signal.aborted) await Promise.race([released, aborted]);
    };
    const began = this.#life;
    if (!restart) began.mayEnd = true;
    this.#producing.add(producing);
    const outcome = hub.produce<Token>(this.topic, (signal) => tokens.call(this, signal), { restart });
    void outcome.then((result) => {
      producing.isSettled = true;
      this.#producing.delete(producing);
      this.#produced(producing, began, count, result);
    });
    return producing;
  }

  /** Compares the outcome of a producer with its life's, unless another life has begun. */
  #produced({ life, writer }: Producing, began: Life, count: number, result: StreamOutcome): void {
    const own = life ?? began;
    if (own !== this.#life) return;
    const outcome = result.code ?? result.outcome;
    if (own.outcome !== undefined && own.outcome !== outcome) {
      this.faults.push(`A producer of life ${own.number} has the outcome ${outcome}, not ${own.outcome}.`);
    }
    own.outcome = outcome;
    // Where a call of `end` was first, the source may not have emitted all.
    if (life === undefined || outcome !== "complete" || life.isEndCalled) return;
    for (let n = 1; n <= count; n += 1) own.acknowledged.add(`${writer}:${n}`);
  }

  #stop(): void {
    const [hub, life] = [this.#hub, this.#life];
    life.mayEnd = true;
    this.#call("stop", () => hub.stop(this.topic));
  }

  async #delete(): Promise<void> {
    await this.#attribute();
    this.#beginLife();
    await this.#hub.topic(this.topic).delete();
    await this.#until("the producers of a deleted topic to be over", () => this.#producing.size === 0);
  }

  /** Waits until a reader has all that is acknowledged now, or its connection is over. */
  async #watch(reader: SharedFiniteReader): Promise<void> {
    await this.#settleCalls();
    const life = this.#life;
    const count = life.acknowledged.size;
    const hasAll = (): boolean => {
      if (reader.isIdle) return true;
      return count === 0 || reader.life > life.number || (reader.life === life.number && reader.index >= count);
    };
    await this.#until("a reader to have the messages", hasAll, () => `${String(reader)} of ${count}`);
  }

  /** Waits until the life of each call is known. A call that has joined another producer is known when it is settled. */
  async #attribute(): Promise<void> {
    await this.#settleCalls();
    await turns(20);
    if ([...this.#producing].some(({ life }) => life === undefined)) await this.#settle();
  }

  async #settle(): Promise<void> {
    await this.#settleCalls();
    for (const release of this.#release.splice(0)) release();
    await this.#until("all producers to be over", () => this.#producing.size === 0);
    await this.#settleCalls();
  }

  async #settleCalls(): Promise<void> {
    await this.#until("all calls to be settled", () => this.#calls.size === 0);
  }

  #call(what: string, act: () => Promise<void>): void {
    const call = act().catch((error: unknown) => void this.faults.push(`${what} rejects: ${String(error)}`));
    this.#calls.add(call);
    void call.then(() => this.#calls.delete(call));
  }

  #allowEnded(error: unknown, mayHaveEnded: boolean): void {
    if (!(error instanceof CometError && error.code === "ERR_ENDED" && mayHaveEnded)) throw error;
  }

  async #until(what: string, condition: () => boolean, state: () => string = () => ""): Promise<void> {
    try {
      await until(condition);
    } catch {
      throw new Error(`Waited in vain for ${what}. ${state()}`);
    }
  }
}
