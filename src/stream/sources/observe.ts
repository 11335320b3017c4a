import { CometError, describe } from "../../core/errors.ts";
import { checkBound, type Bound, type BoundOptions } from "../bounded-queue.ts";
import { ChannelRun } from "../channel.ts";
import { Enumerator } from "../enumerator.ts";
import type { Run, Step, Wake } from "../run.ts";

/** The observer of an {@link ObservableLike}. */
export interface ObserverLike<E> {
  next(value: E): void;
  error(error: unknown): void;
  complete(): void;
}

/** Anything with RxJS's `subscribe`: it may return a function that unsubscribes, or an object with one. */
export interface ObservableLike<E> {
  subscribe(observer: ObserverLike<E>): unknown;
}

/** The listener methods of an `EventTarget` of the web, or of an `EventEmitter` of Node. */
export type EventSourceLike =
  | {
      addEventListener(type: string, listener: (event: unknown) => void): unknown;
      removeEventListener(type: string, listener: (event: unknown) => void): unknown;
    }
  | {
      on(type: string, listener: (...args: unknown[]) => void): unknown;
      off(type: string, listener: (...args: unknown[]) => void): unknown;
    };

/**
 * Creates a source of events of one type: of an `EventTarget` the event objects, of an `EventEmitter` the first
 * argument of each.
 *
 * Each run listens from its first pull until its reader stops. Events have no backpressure: they wait for the reader
 * within the bound of `options`. An `error` event of an `EventEmitter` fails the source, unless `type` is `error`.
 *
 * @throws {CometError} `ERR_SOURCE` if it is neither; `ERR_OPTION` for a wrong option.
 */
export function fromEvent<E = unknown>(
  target: EventSourceLike,
  type: string,
  options: BoundOptions<E> = {},
): Enumerator<E> {
  const bound = checkBound("fromEvent", options);
  const listen = listening(target);
  return new Enumerator((wake) => {
    return new SubscriptionRun<E>(bound, wake, (run) => {
      const stop = [listen(type, (event) => run.give(event as E))];
      if ("on" in target && type !== "error") stop.push(listen("error", (error) => run.finish({ error })));
      return () => stop.forEach((stopOne) => stopOne());
    });
  });
}

/** Creates a source of an observable's values: each run subscribes, and unsubscribes when it is over. */
export function observe<E>(observable: ObservableLike<E>, options: BoundOptions<E>): Enumerator<E> {
  const bound = checkBound("from", options);
  return new Enumerator((wake) => {
    return new SubscriptionRun<E>(bound, wake, (run) => {
      const subscription = observable.subscribe({
        next: (value) => run.give(value),
        error: (error) => run.finish({ error }),
        complete: () => run.finish({}),
      });
      return () => {
        if (typeof subscription === "function") (subscription as () => void)();
        else (subscription as { unsubscribe?: () => void } | undefined)?.unsubscribe?.();
      };
    });
  });
}

type Listen = (type: string, listener: (event: unknown) => void) => () => void;

function listening(target: EventSourceLike): Listen {
  const given = Object(target) as Partial<Record<"addEventListener" | "on", unknown>>;
  if (typeof given.addEventListener === "function") {
    const web = target as Extract<EventSourceLike, { addEventListener: unknown }>;
    return (type, listener) => {
      web.addEventListener(type, listener);
      return () => web.removeEventListener(type, listener);
    };
  }
  if (typeof given.on === "function") {
    const node = target as Extract<EventSourceLike, { on: unknown }>;
    return (type, listener) => {
      node.on(type, listener);
      return () => node.off(type, listener);
    };
  }
  throw new CometError("ERR_SOURCE", `fromEvent takes an EventTarget or an EventEmitter, not ${describe(target)}.`);
}

/** A run that subscribes to a producer that pushes, possibly during the subscription itself. */
class SubscriptionRun<E> implements Run<E> {
  readonly #run: ChannelRun<E>;
  readonly #unsubscribe: () => void;

  constructor(bound: Bound<E>, wake: Wake, subscribe: (run: ChannelRun<E>) => () => void) {
    this.#run = new ChannelRun(bound, wake);
    this.#unsubscribe = subscribe(this.#run);
  }

  poll(): Step<E> {
    return this.#run.poll();
  }

  close(): void {
    this.#run.close();
    this.#unsubscribe();
  }
}
