import { CometError, describe } from "../../core/errors.ts";
import type { LogBounds } from "../../log/entry.ts";
import { checkOverflow, type OverflowPolicy } from "../request-options.ts";
import type { TopicDeclaration } from "../topic.ts";
import {
  checkFinite,
  checkHistory,
  checkLogBounds,
  START_TIMEOUT_MS,
  type FiniteDefaults,
  type TopicOptions,
} from "../topic-options.ts";
import type { FiniteSettings } from "./finite-life.ts";
import type { TopicSettings } from "./live-topic.ts";

/**
 * The time in milliseconds that a replica stays after its topic has lost its last follower: a recycled client
 * reconnects to it.
 */
const REPLICA_GRACE_MS = 30_000;

/** The settings of a hub that its topics have by default. */
export interface TopicDefaults extends FiniteDefaults {
  /** The hub's bounds of the history, as the application gives them. */
  readonly history: Partial<LogBounds> | undefined;
  readonly topics: (name: string) => boolean | TopicOptions;
  readonly overflow: OverflowPolicy;
}

/**
 * The settings of each topic: what the hub's option `topics` says of its name, and where that leaves it open, what the
 * application says where it makes the topic.
 */
export class TopicDeclarations {
  readonly #settings: TopicDefaults;
  /** The settings of topics without options of their own. Topics share them. */
  readonly #plain: TopicSettings;

  constructor(settings: TopicDefaults) {
    this.#settings = settings;
    this.#plain = this.#settingsOf({});
  }

  /**
   * Throws unless the name is a topic of the application.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN` otherwise; and any error of the application's `topics`.
   */
  assertTopic(name: string): void {
    if (this.#settings.topics(name) === false) throw unknownTopic(name);
  }

  /**
   * Returns the settings of a topic.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_OPTION`, `ERR_BROKER_CONFIG`; and any error of the application's
   *   `topics`.
   */
  of(name: string): TopicSettings {
    const options: unknown = this.#settings.topics(name);
    if (options === false) throw unknownTopic(name);
    if (options !== true && (typeof options !== "object" || options === null)) {
      throw new CometError(
        "ERR_OPTION",
        `topics must return true, false or an object of options, not ${describe(options)}.`,
      );
    }
    return options === true ? this.#plain : this.#settingsOf(options);
  }

  /**
   * Returns how a topic ends that the application declares where it makes it; `undefined` if it says nothing there.
   *
   * @throws {CometError} The codes of {@link of}; `ERR_OPTION` if `topics` declares it as endless.
   */
  declared(name: string, declaration: TopicDeclaration): FiniteSettings | undefined {
    const finite = checkFinite(declaration, this.#settings);
    if (finite === undefined || this.#settings.topics(name) === true || this.of(name).finite !== undefined)
      return finite;
    const why = "the hub's option topics declares it as endless";
    throw new CometError("ERR_OPTION", `The topic ${describe(name)} cannot be made to end: ${why}.`);
  }

  /** Returns how a topic ends that the application has declared in another process. */
  finite(ttlMs: number): FiniteSettings {
    return { ttlMs, startTimeoutMs: START_TIMEOUT_MS };
  }

  /** Returns the settings with which a topic ends. Its messages have no age until then. */
  withEnd(settings: TopicSettings, finite: FiniteSettings): TopicSettings {
    const bounds = { ...settings.bounds, maxAgeMs: Infinity };
    const history = { ...settings.history, maxAgeMs: Infinity, ttlMs: finite.ttlMs };
    return { ...settings, finite, bounds, history };
  }

  #settingsOf(options: TopicOptions): TopicSettings {
    const { log, history, overflow, broker } = this.#settings;
    const bounds = checkLogBounds("log", options.log, log);
    const settings: TopicSettings = {
      bounds,
      history: checkHistory(options.history, { log: bounds, history, broker }),
      finite: undefined,
      overflow: checkOverflow(options.overflow ?? overflow),
      graceMs: broker === undefined ? bounds.maxAgeMs : REPLICA_GRACE_MS,
      isDense: broker?.isDense ?? true,
    };
    const finite = checkFinite(options, this.#settings);
    return finite === undefined ? settings : this.withEnd(settings, finite);
  }
}

function unknownTopic(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `There is no topic named ${describe(name)}.`);
}
