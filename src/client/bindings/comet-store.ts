import type { Outcome } from "../../wire/item.ts";
import type { AnyEvents } from "../bare-source.ts";
import type { CometCloseEvent, CometErrorEvent, CometGapEvent, CometMessageEvent } from "../comet-events.ts";
import type { CometSource, CometSourceOptions } from "../comet-source.ts";
import { forwardEvents } from "../forward-events.ts";
import { reportUncaught } from "../report-uncaught.ts";

/** The address to follow. Without one, a component follows nothing, and its state is `idle`. */
export type CometAddress = string | URL | null | undefined | false;

/** A message of an events map: the type of `data` follows from the `type`. */
export type MessageOf<Events = AnyEvents> = {
  [Type in keyof Events & string]: CometMessageEvent<Events[Type]> & { readonly type: Type };
}[keyof Events & string];

/**
 * Options of `useComet`. Components share a connection if their addresses and options are equal. Functions and wires
 * are equal only if they are identical, so define them outside of the component. `onMessage` does not count.
 */
export interface UseCometOptions<Events = AnyEvents> extends CometSourceOptions {
  /**
   * The number of messages that `history` holds, from 0. When it is full, each message evicts the oldest.
   * @default 100
   */
  readonly history?: number;
  /** Called with every message while the component is mounted, and with none from before. */
  readonly onMessage?: (message: MessageOf<Events>) => void;
}

/** The state of a stream, as a component sees it. */
export interface CometState<Events = AnyEvents> {
  /** The data of the newest message, if there was one. */
  readonly data: Events[keyof Events] | undefined;
  /** The newest message, with its `type`, `key`, `messageId` and `lastEventId`. */
  readonly message: MessageOf<Events> | undefined;
  /**
   * The newest messages, the oldest first: as many as the option `history` allows. A component that mounts later than
   * others gets the messages from before it.
   */
  readonly history: readonly MessageOf<Events>[];
  /** `idle` while there is no address; `closed` once the source does not reconnect any more. */
  readonly state: "idle" | "connecting" | "open" | "closed";
  /** The last gap: messages of one topic are missing, and `history` lacks them too. */
  readonly gap: CometGapEvent | undefined;
  /** The last error, until a connection opens. */
  readonly error: CometErrorEvent | undefined;
  /** The outcome of the source, once it is over. If a topic has failed, `error` has the code and the text. */
  readonly outcome: Outcome | undefined;
}

/** The state of one address with its options. All stores with equal ones share a source. */
export interface CometStore<Events = AnyEvents> {
  /** The state before there is a source, and on a server. */
  readonly initial: CometState<Events>;
  /** Returns the state. It is the same object until something changes. */
  readonly getSnapshot: () => CometState<Events>;
  /**
   * Opens the source if nobody else has. It closes a second after the last subscriber has left.
   *
   * @returns A function that unsubscribes. It is idempotent.
   */
  readonly subscribe: (onChange: () => void, onMessage?: (message: MessageOf<Events>) => void) => () => void;
}

interface Subscriber {
  readonly onChange: () => void;
  readonly onMessage: ((message: MessageOf) => void) | undefined;
}

/** An unused source is closed after this time: components unmount and mount again, in strict mode at once. */
const GRACE_MS = 1000;

const HISTORY = 100;

const connecting: CometState = {
  data: undefined,
  message: undefined,
  history: [],
  state: "connecting",
  gap: undefined,
  error: undefined,
  outcome: undefined,
};

const idle: CometState = { ...connecting, state: "idle" };

const idleStore: CometStore = { initial: idle, getSnapshot: () => idle, subscribe: () => () => undefined };

/** The names of the members of a state. */
export const stateNames = Object.keys(connecting) as readonly (keyof CometState)[];

/** The open sources of this page, by their keys. */
const sources = new Map<string, SharedSource>();

/** Returns the store of an address with its options. It opens nothing before somebody subscribes. */
export function cometStore<Events = AnyEvents>(
  url: CometAddress,
  options: UseCometOptions<Events> = {},
): CometStore<Events> {
  if (!url) return idleStore as object as CometStore<Events>;
  const address = String(url);
  const key = storeKey(address, options);
  const store: CometStore = {
    initial: connecting,
    getSnapshot: () => sources.get(key)?.state ?? connecting,
    subscribe: (onChange, onMessage) => {
      let source = sources.get(key);
      if (!source) sources.set(key, (source = new SharedSource(key, address, options, options.history ?? HISTORY)));
      return source.add({ onChange, onMessage });
    },
  };
  return store as object as CometStore<Events>;
}

/** Identities of functions and wires. */
const ids = new WeakMap<object, number>();
let lastId = 0;

function idOf(value: object): number {
  let id = ids.get(value);
  if (!id) ids.set(value, (id = lastId += 1));
  return id;
}

/**
 * Returns a key that is equal for equal addresses and options.
 *
 * @param identify Returns the identity of a function or a wire.
 */
export function storeKey(url: CometAddress, options: object = {}, identify: (value: object) => number = idOf): string {
  const entries = Object.entries(options as Readonly<Record<string, unknown>>)
    .filter(([name, value]) => value !== undefined && name !== "onMessage" && name !== "select")
    .map(([name, value]) => {
      if (name === "wires") return [name, (value as readonly object[]).map(identify)];
      return [name, value instanceof Headers ? [...value] : value];
    });
  const parts = [String(url || ""), ...entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))];
  return JSON.stringify(parts, (_, value: unknown) => (typeof value === "function" ? identify(value) : value));
}

/** One source, with the state of all that it has received. */
class SharedSource {
  state: CometState = connecting;
  readonly #key: string;
  readonly #history: number;
  readonly #source: CometSource | undefined;
  readonly #subscribers = new Set<Subscriber>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(key: string, address: string, options: CometSourceOptions, history: number) {
    this.#key = key;
    this.#history = history;
    this.#source = forwardEvents((event) => this.#onEvent(event), address, options);
  }

  add(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    clearTimeout(this.#timer);
    return () => {
      if (this.#subscribers.delete(subscriber) && this.#subscribers.size === 0)
        this.#timer = setTimeout(() => this.#close(), GRACE_MS);
    };
  }

  #close(): void {
    sources.delete(this.#key);
    this.#source?.close();
  }

  #onEvent(event: Event): void {
    const { type } = event;
    if (event instanceof MessageEvent) this.#onMessage(event as MessageOf);
    else if (type === "open") this.#change({ state: "open", error: undefined });
    else if (type === "gap") this.#change({ gap: event as CometGapEvent });
    else if (type === "close") this.#change({ state: "closed", outcome: (event as CometCloseEvent).outcome });
    else if (type === "error") {
      const error = event as CometErrorEvent;
      this.#change({ state: error.retryMs === null ? "closed" : "connecting", error });
    }
  }

  #onMessage(message: MessageOf): void {
    const history = this.#history > 0 ? [...this.state.history, message].slice(-this.#history) : [];
    // Before the state changes: a component that mounts because of the change finds the message in its history.
    const subscribers = [...this.#subscribers];
    this.#change({ data: message.data as unknown, message, history });
    for (const subscriber of subscribers)
      if (this.#subscribers.has(subscriber)) call(() => subscriber.onMessage?.(message));
  }

  #change(change: Partial<CometState>): void {
    this.state = { ...this.state, ...change };
    for (const { onChange } of this.#subscribers) call(onChange);
  }
}

/** Calls one subscriber. An error in it is reported as uncaught, and the others are still called. */
function call(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    reportUncaught(error);
  }
}
