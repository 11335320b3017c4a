import { Child } from "../soak/support/child.ts";
import type {
  Flooded,
  FloodOrder,
  HubProcessState,
  ListenOrder,
  ProduceOrder,
  Published,
  PublishOrder,
} from "./hub-process-program.ts";

export type {
  Engine,
  Flooded,
  HubProcessState,
  ListenOrder,
  Outgoing,
  ProduceOrder,
  Published,
  Token,
} from "./hub-process-program.ts";

const program = new URL("hub-process-program.ts", import.meta.url);
const running = new Set<Child>();

// Where nobody came to close them; one that is stopped would not see that its parent is gone.
process.once("exit", () => {
  for (const child of running) child.stop();
});

/** A hub in a process of its own, on a broker that others share. Whoever starts it kills it. */
export class HubProcess {
  readonly #order: ListenOrder;
  #child: Child | undefined;
  #port: number;
  #isListening = false;
  #isFrozen = false;
  #runsSince = Infinity;

  constructor(order: ListenOrder) {
    this.#order = order;
    this.#port = order.port;
  }

  /** Where clients find it, or found it last. */
  get port(): number {
    return this.#port;
  }

  /** Whether it is there, were it frozen. */
  get isListening(): boolean {
    return this.#isListening;
  }

  /** Starts it, when it was killed on the same port if that is free. Resolves once it has found its broker and listens. */
  async start(): Promise<void> {
    const child = new Child(program);
    this.#child = child;
    running.add(child);
    this.#port = await child.call<number>("listen", { ...this.#order, port: this.#port });
    this.#isListening = true;
    this.#isFrozen = false;
    this.#runsSince = performance.now();
  }

  /** By signal 9. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#isListening = false;
    if (child === undefined) return;
    await child.kill();
    running.delete(child);
  }

  /** Stops the process where it is, and lets it go on. */
  freeze(): void {
    this.#isFrozen = true;
    this.#child?.freeze();
  }

  thaw(): void {
    this.#child?.thaw();
    this.#isFrozen = false;
    this.#runsSince = performance.now();
  }

  /** Since when it runs, by `performance.now()`; Infinity while it does not. */
  get runsSince(): number {
    return this.#isListening && !this.#isFrozen ? this.#runsSince : Infinity;
  }

  /**
   * Publishes in the order of the messages.
   *
   * @returns What became of each, in the same order. `undefined` if the process did not say so in time, or died.
   */
  async publish(order: PublishOrder, timeoutMs: number): Promise<readonly Published[] | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs);
    });
    const answer = this.#call<Published[]>("publish", order).catch(() => undefined);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Begins or joins a stream. Resolves once it has the order. */
  produce(order: ProduceOrder): Promise<void> {
    return this.#call("produce", order);
  }

  /** Stops a stream, wherever it is produced. */
  stop(topic: string): Promise<void> {
    return this.#call("stop", topic);
  }

  /** Resolves once each has been answered. */
  flood(order: FloodOrder): Promise<Flooded> {
    return this.#call("flood", order);
  }

  state(): Promise<HubProcessState> {
    return this.#call("state");
  }

  #call<R>(name: string, argument?: unknown): Promise<R> {
    return this.#child === undefined
      ? Promise.reject(new Error("It is not started."))
      : this.#child.call(name, argument);
  }
}
