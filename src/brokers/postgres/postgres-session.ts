import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { unrefInterval, unrefTimeout, type Timer } from "../../core/timers.ts";
import { checkServer } from "./check-server.ts";
import { inSchema } from "./migration.ts";
import type { PostgresSettings } from "./postgres-broker-options.ts";
import type { PendingConnects } from "./pending-connects.ts";
import { PostgresConnection, type Rows } from "./postgres-connection.ts";
import { brokerError } from "./sql-errors.ts";

/** The longest wait for the first notification, in milliseconds. Without it messages are found by polling. */
const MAX_PROBE_MS = 1000;
/** The intervals for which a connection may be silent. */
const MAX_SILENCE = 2;

/**
 * One life of the broker's connections: one for writes, one for reads and notifications. They are checked at the start, and probed at
 * intervals, until the first failure ends both. A session does not reconnect; the broker opens another.
 */
export class PostgresSession {
  /** Called with the payload of each notification of the schema's channel. */
  onNotification: (payload: string) => void = () => undefined;
  readonly #settings: PostgresSettings;
  readonly #onEnd: (error: unknown) => void;
  readonly #connections: PostgresConnection[] = [];
  #heartbeat: Timer | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #rejectStart: ((error: unknown) => void) | undefined;
  #onProbe: (payload: string) => void = () => undefined;

  private constructor(settings: PostgresSettings, onEnd: (error: unknown) => void) {
    this.#settings = settings;
    this.#onEnd = onEnd;
  }

  /**
   * Connects, and checks the server, the schema and the rights.
   *
   * @param onEnd Called once, when an open session has failed. Not after `close`.
   * @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`.
   */
  static async open(
    settings: PostgresSettings,
    connects: PendingConnects,
    onEnd: (error: unknown) => void,
  ): Promise<PostgresSession> {
    const session = new PostgresSession(settings, onEnd);
    try {
      await session.#start(connects);
      return session;
    } catch (error) {
      session.close();
      throw brokerError("connect", error);
    }
  }

  /** Runs a statement that may change something, in the order of the calls. @param code As of `PostgresConnection.run`. */
  write(text: string, values: unknown[], code: CometErrorCode = "ERR_UNACKNOWLEDGED"): Promise<Rows> {
    return this.#run(0, text, values, this.#settings.timeoutMs, code);
  }

  /** Runs a statement beside the writes. */
  read(text: string, values: unknown[], limitMs: number = this.#settings.timeoutMs): Promise<Rows> {
    return this.#run(1, text, values, limitMs, "ERR_BROKER");
  }

  /** Runs a statement beside the writes that a connection must answer that is not broken. */
  probe(text: string, values: unknown[]): Promise<Rows> {
    return this.read(text, values, this.#silenceMs);
  }

  /** Closes the connections. Pending statements are rejected. */
  close(): void {
    this.#isOver = true;
    clearInterval(this.#heartbeat);
    for (const connection of this.#connections) connection.close();
  }

  get #silenceMs(): number {
    return Math.min(this.#settings.timeoutMs, this.#settings.heartbeatMs * MAX_SILENCE);
  }

  #run(which: 0 | 1, text: string, values: unknown[], limitMs: number, code: CometErrorCode): Promise<Rows> {
    const connection = this.#connections[which];
    if (this.#isOver || connection === undefined) {
      return Promise.reject(new CometError("ERR_BROKER", "The connection to PostgreSQL is closed."));
    }
    return connection.run(inSchema(text, this.#settings.schema), values, limitMs, code);
  }

  async #start(connects: PendingConnects): Promise<void> {
    const { connectTimeoutMs } = this.#settings;
    const requests = [connects.request(), connects.request()];
    // One may fail while another is awaited.
    for (const request of requests) request.catch(() => undefined);
    let timer: Timer | undefined;
    const failure = new Promise<never>((_, reject) => {
      this.#rejectStart = reject;
      const reason = `PostgreSQL did not answer within ${connectTimeoutMs} ms.`;
      timer = unrefTimeout(() => reject(new CometError("ERR_BROKER", reason)), connectTimeoutMs);
    });
    failure.catch(() => undefined);
    try {
      for (const request of requests) {
        const client = await Promise.race([request, failure]);
        requests[requests.indexOf(request)] = undefined as never;
        this.#connections.push(new PostgresConnection(client, (error) => this.#fail(error)));
      }
      await Promise.race([this.#prepare(), failure]);
    } finally {
      clearTimeout(timer);
      for (const request of requests) if ((request as unknown) !== undefined) connects.giveBack(request);
    }
    this.#rejectStart = undefined;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #prepare(): Promise<void> {
    const { schema, heartbeatMs, connectTimeoutMs, listen } = this.#settings;
    const [writes, reads] = this.#connections as [PostgresConnection, PostgresConnection];
    await checkServer((text, values) => writes.run(text, values, connectTimeoutMs), this.#settings);
    reads.onNotification((channel, payload) => {
      if (channel !== schema) return;
      this.#onProbe(payload);
      if (!payload.startsWith("probe ")) this.onNotification(payload);
    });
    if (listen) await this.#listen(writes, reads);
    this.#heartbeat = unrefInterval(() => void this.#beat(), heartbeatMs);
  }

  /** Listens, unless a notification does not arrive: the connection is one of PgBouncer in transaction mode, or of a client without LISTEN. */
  async #listen(writes: PostgresConnection, reads: PostgresConnection): Promise<void> {
    const { schema, connectTimeoutMs, heartbeatMs } = this.#settings;
    const payload = `probe ${randomName(16)}`;
    const heard = new Promise<boolean>((resolve) => {
      this.#onProbe = (text) => {
        if (text === payload) resolve(true);
      };
      unrefTimeout(() => resolve(false), Math.min(MAX_PROBE_MS, heartbeatMs));
    });
    await reads.run(`LISTEN "${schema}"`, undefined, connectTimeoutMs);
    await writes.run("SELECT pg_notify($1, $2)::text", [schema, payload], connectTimeoutMs);
    // PgBouncer delivers notifications only with the answer of a later statement, if at all.
    if (!(await heard)) await reads.run(`UNLISTEN "${schema}"`, undefined, connectTimeoutMs);
    this.#onProbe = () => undefined;
  }

  /** Probes the connection for writes. That for reads is probed by polls. */
  async #beat(): Promise<void> {
    try {
      await this.#connections[0]?.run("SELECT 1", [], this.#silenceMs);
    } catch {
      // The session has ended, or the server is slow.
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#failure = { error };
    const rejectStart = this.#rejectStart;
    this.close();
    if (rejectStart === undefined) this.#onEnd(error);
    else rejectStart(error);
  }
}
