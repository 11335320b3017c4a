import { useSyncExternalStore } from "react";
import type { CometSource, CometSourceOptions } from "./comet-source.ts";
import type { CometErrorEvent, CometMessageEvent } from "./events.ts";
import { sourceTelling } from "./told.ts";

/** Options of {@link useComet}. Those of the connection count where it is opened: by the first component that follows the address. */
export interface UseCometOptions<T> extends CometSourceOptions {
  /** Told of every message, whatever its name, where the newest is not enough: to append, to count. */
  readonly onMessage?: (event: CometMessageEvent<T>) => void;
}

/** What a component knows of a stream. It is another object only when something has changed. */
export interface CometState<T> {
  /** The data of the newest message, if there was one. */
  readonly data: T | undefined;
  /** `closed` when there is no coming back. */
  readonly state: "connecting" | "open" | "closed";
  /** Why there is no connection, until there is one. */
  readonly error: CometErrorEvent | undefined;
  /** How often messages were missing. */
  readonly gaps: number;
}

type OnMessage = (event: CometMessageEvent<never>) => void;

/** A connection that nobody follows is kept so long: components come and go, in strict mode at once. */
const GRACE_MS = 1000;

const initial: CometState<never> = { data: undefined, state: "connecting", error: undefined, gaps: 0 };

/** The connections of this page, by their addresses. */
const shared = new Map<string, SharedSource>();

/**
 * Follows the topics of an address while the component is mounted. All components with the same address share one connection, which
 * is closed a second after the last of them is gone. On the server it connects to nothing and is `connecting`.
 */
export function useComet<T = unknown>(url: string | URL, options?: UseCometOptions<T>): CometState<T> {
  const address = String(url);
  const onMessage = options?.onMessage;
  const subscribe = (changed: () => void): (() => void) => {
    let source = shared.get(address);
    if (source === undefined) shared.set(address, (source = new SharedSource(address, options)));
    return source.add(changed, onMessage);
  };
  return useSyncExternalStore<CometState<T>>(
    subscribe,
    () => shared.get(address)?.state ?? initial,
    () => initial,
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
    this.#source = sourceTelling((event) => this.#told(event), address, options);
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

  #told(event: Event): void {
    const { type } = event;
    if (event instanceof MessageEvent) {
      this.#change({ data: event.data as never });
      for (const { onMessage } of this.#followers) tell(onMessage, event as CometMessageEvent<never>);
    } else if (type === "open") this.#change({ state: "open", error: undefined });
    else if (type === "gap") this.#change({ gaps: this.state.gaps + 1 });
    else if (type === "close") this.#change({ state: "closed" });
    else {
      const error = event as CometErrorEvent;
      this.#change({ state: error.retryMs === null ? "closed" : "connecting", error });
    }
  }

  #change(change: Partial<CometState<never>>): void {
    this.state = { ...this.state, ...change };
    for (const { changed } of this.#followers) changed();
  }
}

/** What one component makes of a message is not to cost the others theirs. */
function tell(onMessage: OnMessage | undefined, event: CometMessageEvent<never>): void {
  try {
    onMessage?.(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
