import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { afterTurn } from "../../core/turn.ts";
import { isCluster } from "./client.ts";
import { Heart } from "./heart.ts";
import type { Keys } from "./keys.ts";
import { createLink, type Link } from "./link.ts";
import type { Settings } from "./options.ts";
import { brokerError, isDemoted, isWrongType, textOf } from "./replies.ts";
import { ScriptRunner, type Script } from "./script-runner.ts";
import { markScript, publishScript, readScript, renewScript, tellScript } from "./scripts.ts";
import { Waits } from "./waits.ts";

/** The version of what the keys hold. */
const LAYOUT = "1";
const OLDEST = [6, 2] as const;
/** How many channels are subscribed to with one command, and how many such commands are under way. */
const BATCH = 500;

/** What a session tells. */
export interface SessionEvents {
  received(channel: string, text: string): void;
  /** The session is over. Told once, and not after `close`. */
  ended(error: unknown): void;
}

interface Scripts {
  readonly publish: Script;
  readonly read: Script;
  readonly renew: Script;
  readonly tell: Script;
}

/** A link that has been made and checked, and is tried out all the time. */
export class Session {
  readonly #link: Link;
  readonly #keys: Keys;
  readonly #settings: Settings;
  readonly #events: SessionEvents;
  readonly #runner: ScriptRunner;
  readonly #waits = new Waits();
  readonly #id: string = randomName(16);
  #scripts: Scripts | undefined;
  #heart: Heart | undefined;
  #isOver = false;
  #onFailedStart: ((error: unknown) => void) | undefined;

  private constructor(settings: Settings, keys: Keys, events: SessionEvents) {
    this.#settings = settings;
    this.#keys = keys;
    this.#events = events;
    this.#link = createLink(settings.client, {
      received: (channel, text) => this.#received(channel, text),
      failed: (error) => this.#fail(error),
    });
    this.#runner = new ScriptRunner(this.#link);
  }

  /**
   * Connects and checks that everything is as it must be.
   *
   * @param channels What is to be subscribed to at once.
   * @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`.
   */
  static async open(
    settings: Settings,
    keys: Keys,
    channels: readonly string[],
    events: SessionEvents,
  ): Promise<Session> {
    const session = new Session(settings, keys, events);
    try {
      await session.#start(channels);
      return session;
    } catch (error) {
      session.close();
      throw brokerError("connect", error);
    }
  }

  get scripts(): Scripts {
    return this.#scripts as Scripts;
  }

  get publishCommand(): string {
    return this.#link.publishCommand;
  }

  /**
   * Runs a script, and waits for its answer as long as a command may take.
   *
   * @param code Of the error if that is not known in time, or the session is over before.
   */
  async run(script: Script, keys: readonly string[], args: readonly string[], code?: CometErrorCode): Promise<unknown> {
    try {
      const reply = await this.#within(this.#runner.run(script, keys, args), code);
      this.#heart?.answered();
      return reply;
    } catch (error) {
      // Only another connection leads to the server that is the master now.
      if (isDemoted(error)) this.#fail(error);
      throw error;
    }
  }

  send(key: string, args: string[]): Promise<unknown> {
    return this.#within(this.#link.send(key, args));
  }

  tell(channel: string, text: string): Promise<unknown> {
    return this.run(this.scripts.tell, [channel], [this.publishCommand, text]);
  }

  /** Subscribes to channels, many at a time, and each of these times within the time of a command. */
  async subscribe(channels: readonly string[]): Promise<void> {
    for (let i = 0; i < channels.length; i += BATCH) {
      await this.#within(this.#link.subscribe(channels.slice(i, i + BATCH)));
    }
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#link.unsubscribe(channel);
  }

  close(): void {
    this.#isOver = true;
    this.#heart?.stop();
    this.#link.close();
    // Whatever the client can say of what is under way, it says before.
    afterTurn(() => this.#waits.end("The connection to Redis is closed."));
  }

  #within<T>(answer: Promise<T>, code?: CometErrorCode): Promise<T> {
    return this.#waits.within(answer, this.#settings.timeoutMs, code);
  }

  async #start(channels: readonly string[]): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      this.#onFailedStart = reject;
    });
    await this.#waits.within(Promise.race([this.#prepare(), failed]), this.#settings.connectTimeoutMs);
    await Promise.race([this.subscribe([this.#keys.signals, ...channels]), failed]);
    this.#onFailedStart = undefined;
  }

  async #prepare(): Promise<void> {
    await this.#link.connect();
    await this.#checkServer();
    this.#scripts = {
      publish: await this.#runner.load(publishScript),
      read: await this.#runner.load(readScript),
      renew: await this.#runner.load(renewScript),
      tell: await this.#runner.load(tellScript),
    };
    await this.#checkMark();
    await this.#rehearse();
    const beats = this.#link.tags.map((tag) => this.#keys.beat(tag, this.#id));
    await this.#link.subscribe(beats);
    await Promise.all(beats.map((channel) => this.#beat(channel)));
    this.#heart = new Heart({
      channels: beats,
      heartbeatMs: this.#settings.heartbeatMs,
      beat: (channel) => this.#beat(channel),
      stopped: (error) => this.#fail(error),
    });
  }

  /** Whether the server is new enough, of the kind that the client is for, and one that may be written to. */
  async #checkServer(): Promise<void> {
    const { server, version, mode, role } = fieldsOf(await this.#link.ask(["HELLO"]));
    const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      throw configError(
        `This is ${server ?? "a server"} ${version ?? "of no version"}: it must be Redis 6.2 or newer, or Valkey.`,
      );
    }
    if (mode === "cluster" && !isCluster(this.#settings.client)) {
      throw configError(
        "This is a server of a Redis Cluster: make the client by createCluster, and not by createClient.",
      );
    }
    if (role === "replica" || role === "slave") {
      throw configError("This is a replica, which cannot be written to: connect to its master.");
    }
    if (mode === "cluster" && major >= 7) this.#link.useShards();
  }

  async #checkMark(): Promise<void> {
    const { mark } = this.#keys;
    let version: string;
    try {
      version = textOf(await this.#link.send(mark, ["EVAL", markScript, "1", mark, LAYOUT]));
    } catch (error) {
      if (isWrongType(error)) throw foreign(mark, error);
      throw error;
    }
    if (version === "") throw foreign(mark, undefined);
    if (version === LAYOUT) return;
    throw configError(
      `What is under the prefix ${mark} is of another version of comet-sockets (${version}, not ${LAYOUT}): use another prefix.`,
    );
  }

  /** Publishes something where nobody listens, that is gone soon: whether all that it takes is allowed, shows now. */
  async #rehearse(): Promise<void> {
    const { log, meta, channel } = this.#keys.topic(`rehearsal ${this.#id}`);
    const args = [randomName(16), "0", "{}", "1", "1", "1024", "1000", "1000", this.publishCommand];
    await this.#runner.run(this.scripts.publish, [log, meta, channel], args);
  }

  #beat(channel: string): Promise<unknown> {
    // Where slots have moved, something may have been told to nobody.
    if (!this.#link.isAsItWas()) return Promise.reject(new Error("The slots of the Redis Cluster have moved."));
    return this.#runner.run(this.scripts.tell, [channel], [this.publishCommand, ""]);
  }

  #received(channel: string, text: string): void {
    this.#heart?.heard(channel);
    this.#events.received(channel, text);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const onFailedStart = this.#onFailedStart;
    this.close();
    if (onFailedStart === undefined) this.#events.ended(error);
    else onFailedStart(error);
  }
}

function configError(message: string): CometError {
  return new CometError("ERR_BROKER_CONFIG", message);
}

function foreign(key: string, cause: unknown): CometError {
  return new CometError(
    "ERR_BROKER_CONFIG",
    `The key ${key} holds something that is not of comet-sockets: use another prefix, or another database.`,
    { cause },
  );
}

/** The fields of a map, which an older protocol gives as a list. */
function fieldsOf(reply: unknown): Partial<Record<string, string>> {
  if (!Array.isArray(reply)) {
    const entries = reply instanceof Map ? [...reply] : Object.entries(reply ?? {});
    return Object.fromEntries(entries.map(([name, value]) => [textOf(name), textOf(value)]));
  }
  const fields: Record<string, string> = {};
  for (let i = 0; i < reply.length; i += 2) fields[textOf(reply[i])] = textOf(reply[i + 1]);
  return fields;
}
