"use client";

import { useSyncExternalStore } from "react";
import type { Outcome } from "../wire/item.ts";
import type { CometCloseEvent, CometErrorEvent, CometMessageEvent } from "./comet-events.ts";
import type { CometSource, CometSourceOptions } from "./comet-source.ts";
import { forwardEvents } from "./forward-events.ts";
import { reportUncaught } from "./report-uncaught.ts";

/**
 * Options of {@link useComet}. The first component that follows an address opens its connection, with its own options.
 */
export interface UseCometOptions<T> extends CometSourceOptions {
  /**
   * Called with every message, whatever its name; for components that need more than the newest, to append or to count.
   */
  readonly onMessage?: (event: CometMessageEvent<T>) => void;
}

/** The state of a stream, as a component sees it. It is a new object only when something has changed. */
export interface CometState<T> {
  /** The data of the newest message, if there was one. */
  readonly data: T | undefined;
  /** `idle` while the component has no address; `closed` once the source does not reconnect any more. */
  readonly state: "idle" | "connecting" | "open" | "closed";
  /** The outcome of the source, once it is over. If a topic has failed, `error` has the code and the text. */
  readonly outcome: Outcome | undefined;
  /** The last error, until a connection opens. */
  readonly error: CometErrorEvent | undefined;
  /** The number of gaps. */
  readonly gaps: number;
}

type OnMessage = (event: CometMessageEvent<never>) => void;

/** An unused connection is closed after this time: components unmount and mount again, in strict mode at once. */
const GRACE_MS = 1000;

const initial: CometState<never> = {
  data: undefined,
  state: "connecting",
  outcome: undefined,
  error: undefined,
  gaps: 0,
};

const idle: CometState<never> = { ...initial, state: "idle" };

/** The connections of this page, by their addresses. */
const shared = new Map<string, SharedSource>();

/**
 * Follows the topics of an address while the component is mounted. All components with the same address share one
 * connection, which is closed a second after the last of them has unmounted. On a server it opens nothing, and the
 * state is `connecting`.
 *
 * Without an address (`null`, `undefined`, `false` or an empty string) it opens nothing, and the state is `idle`.
 *
 * A component that mounts later than others with its address begins with the newest message. Its `onMessage` gets only
 * further ones, even with `from=oldest`.
 *
 * The state object must stay the same between changes, or React renders without end.
 *
 * @example
 * const { data } = useComet<{ title: string }>("/live?topic=news");
 */
export function useComet<T = unknown>(
  url: string | URL | null | undefined | false,
  options?: UseCometOptions<T>,
): CometState<T> {
  const address = String(url || "");
  const start = address ? initial : idle;
  const onMessage = options?.onMessage;
  const subscribe = (changed: () => void): (() => void) => {
    if (!address) return () => undefined;
    let source = shared.get(address);
    if (source === undefined) shared.set(address, (source = new SharedSource(address, options)));
    return source.add(changed, onMessage);
  };
  return useSyncExternalStore<CometState<T>>(
    subscribe,
    () => shared.get(address)?.state ?? start,
    () => start,
  );
}

class SharedSource {
  state: CometState<never> = initial;
  readonly #address: string;
  readonly #source: CometSource | undefined;
  readonly #followers = new Set<{ readonly changed: () => void; readonly onMessage: OnMessage | undefined }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(address: string, options: CometSourceOptions | undefined) {
    this.#address = address;
    this.#source = forwardEvents((event) => this.#onEvent(event), address, options);
  }

  add(changed: () => void, onMessage: OnMessage | undefined): () => void {
    const follower = { changed, onMessage };
    this.#followers.add(follower);
    clearTimeout(this.#timer);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#timer = setTimeout(() => this.#close(), GRACE_MS);
    };
  }

  #close(): void {
    shared.delete(this.#address);
    this.#source?.close();
  }

  #onEvent(event: Event): void {
    const { type } = event;
    if (event instanceof MessageEvent) {
      this.#change({ data: event.data as never });
      for (const { onMessage } of this.#followers) notify(onMessage, event as CometMessageEvent<never>);
    } else if (type === "open") this.#change({ state: "open", error: undefined });
    else if (type === "gap") this.#change({ gaps: this.state.gaps + 1 });
    else if (type === "close") this.#change({ state: "closed", outcome: (event as CometCloseEvent).outcome });
    else if (type === "error") {
      const error = event as CometErrorEvent;
      this.#change({ state: error.retryMs === null ? "closed" : "connecting", error });
    }
  }

  #change(change: Partial<CometState<never>>): void {
    this.state = { ...this.state, ...change };
    for (const { changed } of this.#followers) changed();
  }
}

/**
 * Calls one component's callback. An error in it is reported as uncaught, and the other components still get the
 * message.
 */
function notify(onMessage: OnMessage | undefined, event: CometMessageEvent<never>): void {
  try {
    onMessage?.(event);
  } catch (error) {
    reportUncaught(error);
  }
}
