import {
  createInbox,
  PermissionViolationError,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from "@nats-io/transport-node";
import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { asCometError, dial } from "./dial.ts";
import type { Settings } from "./options.ts";

/** What a request holds beside its payload, about. */
const REQUEST_BYTES = 256;

/** How often in `heartbeatMs` the connection is looked at, and for how many looks in a row it may be silent. */
const LOOKS = 2;
const SILENT_LOOKS = 3;

interface Waiting {
  readonly subject: string;
  readonly unanswered: CometErrorCode;
  readonly until: number;
  readonly bytes: number;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: CometError) => void;
}

/** A request, and what is known if no answer comes. */
export interface Question {
  readonly subject: string;
  readonly payload: string;
  readonly headers?: MsgHdrs;
  readonly unanswered: CometErrorCode;
}

type OnLost = (link: Link, error: CometError) => void;

/** That nobody is there to answer. */
export class NobodyThere extends CometError {
  constructor(subject: string) {
    super("ERR_BROKER", `Nothing at the NATS server answers ${subject}.`);
  }
}

/**
 * A connection to a server, from its beginning to its end: it is never the same connection again. Requests that wait when it ends
 * are rejected at once, which those of the client are not.
 */
export class Link {
  readonly #connection: NatsConnection;
  readonly #settings: Settings;
  readonly #onLost: OnLost;
  readonly #inbox: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timers: NodeJS.Timeout[];
  readonly #enders = new Set<(error: CometError) => void>();
  #next = 0;
  #pendingBytes = 0;
  #heard = 0;
  #silentLooks = 0;
  #isAsking = false;
  #end: CometError | undefined;
  #denial: CometError | undefined;

  private constructor(connection: NatsConnection, settings: Settings, onLost: OnLost) {
    this.#connection = connection;
    this.#settings = settings;
    this.#onLost = onLost;
    this.#inbox = createInbox(settings.connection.inboxPrefix);
    connection.subscribe(`${this.#inbox}.*`, { callback: (error, answer) => this.#answer(error, answer) });
    this.#timers = [
      setInterval(() => this.#look(), Math.max(settings.heartbeatMs / LOOKS, 10)).unref(),
      setInterval(() => this.#expire(), Math.max(settings.timeoutMs / 20, 10)).unref(),
    ];
    void this.#watch();
    void connection.closed().then((error) => this.#lose(error instanceof Error ? error.message : "it was closed"));
  }

  /**
   * @param onLost Called once, from a turn of its own, unless `close` was called before.
   * @throws {CometError} As {@link dial}.
   */
  static async open(settings: Settings, aborted: AbortSignal, onLost: OnLost): Promise<Link> {
    const connection = await dial(settings.connection, settings.timeoutMs, aborted);
    try {
      return new Link(connection, settings, onLost);
    } catch (error) {
      await connection.close();
      throw asCometError(error);
    }
  }

  get isOpen(): boolean {
    return this.#end === undefined && !this.#connection.isClosed();
  }

  /** That the server does not permit a subscription. It says so after a while, and to nobody. */
  get denial(): CometError | undefined {
    return this.#denial;
  }

  /** Sends a request, in this turn: requests are sent in the order of the calls. */
  ask({ subject, payload, headers, unanswered }: Question): Promise<Msg> {
    const bytes = REQUEST_BYTES + payload.length;
    const refusal = this.#refusal(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    const number = (this.#next += 1);
    try {
      const reply = `${this.#inbox}.${number}`;
      this.#connection.publish(subject, payload, headers === undefined ? { reply } : { reply, headers });
    } catch (error) {
      return Promise.reject(this.#unsent(error));
    }
    return new Promise((resolve, reject) => {
      const until = performance.now() + this.#settings.timeoutMs;
      this.#waiting.set(number, { subject, unanswered, until, bytes, resolve, reject });
      this.#pendingBytes += bytes;
    });
  }

  /** Sends a message that nobody answers. Does nothing if the connection is not open. */
  tell(subject: string, payload: string, reply?: string): void {
    if (this.isOpen) this.#connection.publish(subject, payload, reply === undefined ? {} : { reply });
  }

  subscribe(subject: string, callback: (message: Msg) => void): Subscription {
    return this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null && this.#end === undefined) callback(message);
      },
    });
  }

  /** Calls back if the connection ends, until the function that it gives is called. */
  onEnd(callback: (error: CometError) => void): () => void {
    this.#enders.add(callback);
    return () => this.#enders.delete(callback);
  }

  /** A subject of this connection alone. */
  inbox(): string {
    return createInbox(this.#settings.connection.inboxPrefix);
  }

  /** Ends the connection as if it had been lost. */
  break(why: string): void {
    this.#lose(why);
  }

  /** Ends the connection, once what was told is sent or some time has passed. */
  async close(error: CometError): Promise<void> {
    if (this.#end !== undefined) return;
    this.#finish(error);
    let timer: NodeJS.Timeout | undefined;
    const flushed = this.#connection.flush().catch(() => undefined);
    await Promise.race([flushed, new Promise((resolve) => (timer = setTimeout(resolve, 1000)))]);
    clearTimeout(timer);
    await this.#connection.close();
  }

  #refusal(bytes: number): CometError | undefined {
    if (this.#end !== undefined) return new CometError("ERR_BROKER", this.#end.message, { cause: this.#end });
    if (this.#connection.isClosed()) return new CometError("ERR_BROKER", "The connection to NATS is closed.");
    const { maxPendingBytes } = this.#settings;
    if (this.#pendingBytes + bytes <= maxPendingBytes || this.#waiting.size === 0) return undefined;
    return new CometError("ERR_BROKER", `More than ${maxPendingBytes} bytes wait for NATS to take them.`);
  }

  #unsent(error: unknown): CometError {
    const why = error instanceof Error ? error.message : String(error);
    const isTooLarge = why.includes("max_payload");
    return isTooLarge
      ? new CometError("ERR_MESSAGE", "A message is larger than the NATS server's max_payload.", { cause: error })
      : new CometError("ERR_BROKER", `NATS does not take a message: ${why}.`, { cause: error });
  }

  #answer(error: Error | null, answer: Msg): void {
    if (error !== null) return;
    const number = Number(answer.subject.slice(this.#inbox.length + 1));
    const waiting = this.#take(number);
    if (waiting === undefined) return;
    if (answer.data.length === 0 && answer.headers?.code === 503) {
      waiting.reject(new NobodyThere(waiting.subject));
    } else waiting.resolve(answer);
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(number);
    this.#pendingBytes -= waiting.bytes;
    return waiting;
  }

  #expire(): void {
    const now = performance.now();
    // All have the same time, so the first are the oldest.
    for (const [number, { until, unanswered, subject, reject }] of this.#waiting) {
      if (until > now) break;
      this.#take(number);
      reject(new CometError(unanswered, `NATS has not answered ${subject} within ${this.#settings.timeoutMs} ms.`));
    }
  }

  /** Sees to it that a connection that lives is not silent, and ends one that is. */
  #look(): void {
    const { inMsgs } = this.#connection.stats();
    this.#silentLooks = inMsgs !== this.#heard ? 0 : this.#silentLooks + 1;
    this.#heard = inMsgs;
    if (this.#silentLooks >= SILENT_LOOKS) {
      this.#lose("it has been silent for too long");
      return;
    }
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#connection.flush().then(
      () => {
        this.#isAsking = false;
        this.#silentLooks = -1;
      },
      () => undefined,
    );
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect" || status.type === "close") this.#lose("it broke");
      if (status.type === "error" && status.error instanceof PermissionViolationError) this.#forbidden(status.error);
    }
  }

  /** Without a subscription no answer may come; without a subject its requests are not taken. */
  #forbidden(violation: PermissionViolationError): void {
    const { operation, subject, message } = violation;
    const error = new CometError("ERR_BROKER_CONFIG", `NATS does not permit what a hub needs: ${message}.`, {
      cause: violation,
    });
    if (operation === "subscription") this.#denial ??= error;
    for (const [number, waiting] of this.#waiting) {
      if (operation === "publish" && waiting.subject !== subject) continue;
      this.#take(number);
      waiting.reject(error);
    }
  }

  #lose(why: string): void {
    if (this.#end !== undefined) return;
    const error = new CometError("ERR_BROKER", `The connection to NATS is lost: ${why}.`);
    this.#finish(error);
    // This lets go of the socket at once, whatever waits to be written to it.
    this.#connection.close().catch(() => undefined);
    this.#onLost(this, error);
  }

  #finish(error: CometError): void {
    this.#end = error;
    for (const timer of this.#timers) clearInterval(timer);
    for (const { unanswered, reject } of this.#waiting.values()) {
      reject(new CometError(unanswered, error.message, { cause: error }));
    }
    this.#waiting.clear();
    this.#pendingBytes = 0;
    for (const callback of this.#enders) callback(error);
    this.#enders.clear();
  }
}
