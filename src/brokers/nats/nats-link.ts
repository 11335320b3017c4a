import {
  createInbox,
  PermissionViolationError,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from "@nats-io/transport-node";
import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { unrefInterval, type Timer } from "../../core/timers.ts";
import { asCometError, dial } from "./dial.ts";
import type { NatsSettings } from "./nats-broker-options.ts";

/** The bytes of a pending request besides its payload, approximately. */
const ENVELOPE_BYTES = 256;
/** Probes in one interval of `heartbeatMs`, and the longest silence of a connection in probes. */
const PROBES = 2;
const MAX_SILENT_PROBES = 3;
/** Checks for expired requests in one `timeoutMs`, and the shortest interval between two, in milliseconds. */
const EXPIRY_CHECKS = 20;
const MIN_EXPIRY_CHECK_MS = 10;
/** Time for the data of a connection to be sent when it is closed, in milliseconds. */
const CLOSE_MS = 1000;
/** The status of a reply that nothing has subscribed to the subject. */
const NO_RESPONDERS = 503;

interface PendingRequest {
  readonly subject: string;
  readonly unanswered: CometErrorCode;
  readonly until: number;
  readonly bytes: number;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: CometError) => void;
}

export interface NatsRequest {
  readonly subject: string;
  readonly payload: string;
  readonly headers?: MsgHdrs;
  /** The code of the error if the answer does not come in time, or the connection ends before. */
  readonly unanswered: CometErrorCode;
}

type OnLinkLost = (link: NatsLink, error: CometError) => void;

/** Nothing is subscribed to the subject of a request. */
export class NoRespondersError extends CometError {
  constructor(subject: string) {
    super("ERR_BROKER", `Nothing at the NATS server answers ${subject}.`);
  }
}

/**
 * One connection to a server, from its beginning to its end, with the requests and the heartbeat of the broker. A link never reconnects.
 * When it ends, its pending requests are rejected at once; the client's own requests would wait for their timeouts, and its limits
 * would not count them.
 */
export class NatsLink {
  readonly #connection: NatsConnection;
  readonly #settings: NatsSettings;
  readonly #onLost: OnLinkLost;
  readonly #inbox: string;
  /** In the order of the requests, which all have the same time limit. */
  readonly #pending = new Map<number, PendingRequest>();
  readonly #timers: readonly Timer[];
  readonly #onEnd = new Set<(error: CometError) => void>();
  #lastRequest = 0;
  #pendingBytes = 0;
  #messagesIn = 0;
  #silentProbes = 0;
  #isFlushing = false;
  #end: CometError | undefined;
  #denial: CometError | undefined;

  private constructor(connection: NatsConnection, settings: NatsSettings, onLost: OnLinkLost) {
    this.#connection = connection;
    this.#settings = settings;
    this.#onLost = onLost;
    this.#inbox = createInbox(settings.connection.inboxPrefix);
    connection.subscribe(`${this.#inbox}.*`, { callback: (error, answer) => this.#settle(error, answer) });
    this.#timers = [
      unrefInterval(() => this.#probe(), settings.heartbeatMs / PROBES),
      unrefInterval(() => this.#expire(), Math.max(settings.timeoutMs / EXPIRY_CHECKS, MIN_EXPIRY_CHECK_MS)),
    ];
    void this.#watchStatus();
    void connection.closed().then((error) => this.#lose(error instanceof Error ? error.message : "it was closed"));
  }

  /**
   * Connects within `connectTimeoutMs`.
   *
   * @param onLost Called once, from a turn of its own, when the connection is lost. Not after `close`.
   * @throws {CometError} As {@link dial}.
   */
  static async open(settings: NatsSettings, aborted: AbortSignal, onLost: OnLinkLost): Promise<NatsLink> {
    const connection = await dial(settings.connection, settings.connectTimeoutMs, aborted);
    try {
      return new NatsLink(connection, settings, onLost);
    } catch (error) {
      await connection.close();
      throw asCometError(error);
    }
  }

  get isOpen(): boolean {
    return this.#end === undefined && !this.#connection.isClosed();
  }

  /** The error if the server has denied a subscription. It arrives some time after the subscription, and rejects no call. */
  get denial(): CometError | undefined {
    return this.#denial;
  }

  /**
   * Sends a request in this turn: requests are sent in the order of the calls. Rejects at once if the connection has ended, or more than
   * `maxPendingBytes` would be pending.
   */
  request({ subject, payload, headers, unanswered }: NatsRequest): Promise<Msg> {
    const bytes = ENVELOPE_BYTES + payload.length;
    const refusal = this.#refusal(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    const id = (this.#lastRequest += 1);
    try {
      const reply = `${this.#inbox}.${id}`;
      this.#connection.publish(subject, payload, headers === undefined ? { reply } : { reply, headers });
    } catch (error) {
      return Promise.reject(this.#unsent(error));
    }
    return new Promise((resolve, reject) => {
      const until = performance.now() + this.#settings.timeoutMs;
      this.#pending.set(id, { subject, unanswered, until, bytes, resolve, reject });
      this.#pendingBytes += bytes;
    });
  }

  /** Sends a message without awaiting an answer. Does nothing if the connection has ended. */
  send(subject: string, payload: string, reply?: string): void {
    if (this.isOpen) this.#connection.publish(subject, payload, reply === undefined ? {} : { reply });
  }

  subscribe(subject: string, callback: (message: Msg) => void): Subscription {
    return this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null && this.#end === undefined) callback(message);
      },
    });
  }

  /** Calls back when the connection ends. Returns a function that removes the callback. */
  onEnd(callback: (error: CometError) => void): () => void {
    this.#onEnd.add(callback);
    return () => this.#onEnd.delete(callback);
  }

  /** Creates a subject for answers to this connection. */
  inbox(): string {
    return createInbox(this.#settings.connection.inboxPrefix);
  }

  /** Ends the connection as if it had been lost. */
  break(reason: string): void {
    this.#lose(reason);
  }

  /** Ends the connection when its data has been sent, or after 1,000 ms. Pending requests are rejected at once. */
  async close(error: CometError): Promise<void> {
    if (this.#end !== undefined) return;
    this.#finish(error);
    let timer: Timer | undefined;
    const flushed = this.#connection.flush().catch(() => undefined);
    await Promise.race([flushed, new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_MS)))]);
    clearTimeout(timer);
    await this.#connection.close();
  }

  #refusal(bytes: number): CometError | undefined {
    if (this.#end !== undefined) return new CometError("ERR_BROKER", this.#end.message, { cause: this.#end });
    if (this.#connection.isClosed()) return new CometError("ERR_BROKER", "The connection to NATS is closed.");
    if (this.#pending.size === 0 || this.#pendingBytes + bytes <= this.#settings.maxPendingBytes) return undefined;
    return new CometError("ERR_BROKER", `NATS is slow: ${this.#pendingBytes} bytes of requests await its answer.`);
  }

  #unsent(error: unknown): CometError {
    const reason = error instanceof Error ? error.message : String(error);
    const isTooLarge = reason.includes("max_payload");
    return isTooLarge
      ? new CometError("ERR_MESSAGE", "A message is larger than the NATS server's max_payload.", { cause: error })
      : new CometError("ERR_BROKER", `NATS did not send a message: ${reason}.`, { cause: error });
  }

  #settle(error: Error | null, answer: Msg): void {
    if (error !== null) return;
    const request = this.#take(Number(answer.subject.slice(this.#inbox.length + 1)));
    if (request === undefined) return;
    // A stored message may have this status too, and then also its sequence.
    const isStatus = answer.data.length === 0 && answer.headers?.has("Nats-Sequence") === false;
    if (isStatus && answer.headers?.code === NO_RESPONDERS) {
      request.reject(new NoRespondersError(request.subject));
    } else request.resolve(answer);
  }

  #take(id: number): PendingRequest | undefined {
    const request = this.#pending.get(id);
    if (request === undefined) return undefined;
    this.#pending.delete(id);
    this.#pendingBytes -= request.bytes;
    return request;
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, { until, unanswered, subject, reject }] of this.#pending) {
      if (until > now) break;
      this.#take(id);
      reject(new CometError(unanswered, `NATS did not answer ${subject} within ${this.#settings.timeoutMs} ms.`));
    }
  }

  /** Asks for a sign of life, and ends a connection that has been silent for too long. */
  #probe(): void {
    const { inMsgs } = this.#connection.stats();
    this.#silentProbes = inMsgs !== this.#messagesIn ? 0 : this.#silentProbes + 1;
    this.#messagesIn = inMsgs;
    if (this.#silentProbes >= MAX_SILENT_PROBES) {
      this.#lose("it has been silent for too long");
      return;
    }
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#connection.flush().then(
      () => {
        this.#isFlushing = false;
        this.#silentProbes = -1;
      },
      () => undefined,
    );
  }

  async #watchStatus(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect" || status.type === "close") this.#lose("it broke");
      if (status.type === "error" && status.error instanceof PermissionViolationError) this.#deny(status.error);
    }
  }

  /** Rejects the requests that a missing permission affects: to publish, those to that subject; to subscribe, all of them. */
  #deny(violation: PermissionViolationError): void {
    const { operation, subject, message } = violation;
    const error = new CometError("ERR_BROKER_CONFIG", `NATS denies a permission that a hub needs: ${message}.`, {
      cause: violation,
    });
    if (operation === "subscription") this.#denial ??= error;
    for (const [id, request] of this.#pending) {
      if (operation === "publish" && request.subject !== subject) continue;
      this.#take(id);
      request.reject(error);
    }
  }

  #lose(reason: string): void {
    if (this.#end !== undefined) return;
    const error = new CometError("ERR_BROKER", `The connection to NATS is lost: ${reason}.`);
    this.#finish(error);
    // This destroys the socket at once, with any data that it has not sent.
    this.#connection.close().catch(() => undefined);
    this.#onLost(this, error);
  }

  #finish(error: CometError): void {
    this.#end = error;
    for (const timer of this.#timers) clearInterval(timer);
    for (const { unanswered, reject } of this.#pending.values()) {
      reject(new CometError(unanswered, error.message, { cause: error }));
    }
    this.#pending.clear();
    this.#pendingBytes = 0;
    for (const callback of this.#onEnd) callback(error);
    this.#onEnd.clear();
  }
}
