import type { LogBounds } from "./entry.ts";
import type { Position } from "./position.ts";

/** What is published. */
export interface BrokerPublication {
  /** The data as JSON, with `<`, `&`, U+2028 and U+2029 escaped: a broker gives it back unchanged. */
  readonly json: string;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  /** The size of `json` in UTF-8, as it counts for the bounds. */
  readonly bytes: number;
}

/** A message as a broker holds it. */
export interface BrokerMessage extends Omit<BrokerPublication, "bytes"> {
  readonly offset: number;
  /** When it was published, by the broker's clock, in milliseconds since 1970. */
  readonly at: number;
}

/** A message as it is published, told to every process that listens to its topic. */
export interface Notice {
  readonly epoch: string;
  /** The offset of the message before this one in its epoch; 0 if there was none, or if the broker does not know it any more. */
  readonly previous: number;
  readonly message: BrokerMessage;
}

/** What a broker holds of a topic. */
export interface History {
  readonly epoch: string;
  /**
   * Messages up to this offset may be gone; all after it are held. 0 if none is gone. Of messages that were not asked for it says nothing:
   * it is at most the offset that was asked after if, for all that is known, none after that is gone.
   */
  readonly floor: number;
  /** The offset of the newest message that was ever published in this epoch, as far as the broker knows; at least `floor`. */
  readonly head: number;
  /**
   * The messages after the offset that was asked for, oldest first, or as many of them as make one answer: at least one, if there is one.
   * Whoever has not come to `head` asks again; an answer without messages says that there are none.
   */
  readonly messages: readonly BrokerMessage[];
  /** The broker's clock, in milliseconds since 1970. */
  readonly now: number;
}

/** What a broker tells its hub. It calls these from a turn of its own, never from within a method of its own. */
export interface BrokerHost {
  /** The connection is lost: from now on notices may be missed. The broker goes on trying to come back, and `restored` follows. */
  lost(error: unknown): void;
  /** The connection is there again, and whatever was listened to is listened to again. */
  restored(): void;
  /** A process has called `signal`; this one as well. */
  signalled(text: string): void;
}

/**
 * What orders and keeps the messages of topics for several processes, each of which has a hub. A hub keeps of every topic that is
 * followed there a replica of the newest messages, out of `read` and `listen`, and serves its clients from that.
 *
 * A broker
 *
 * - MUST put all messages of a topic, whichever processes publish them, in one order, with growing offsets, and give all processes
 *   the same offsets. Messages that one process publishes to a topic one after the other, without waiting, MUST keep their order.
 * - MUST hold a message when `publish` resolves: every `read` that begins afterwards, in any process, has it, until it is trimmed. It
 *   MUST reject with `ERR_BROKER` only if the message is not and will not be published, and with `ERR_UNACKNOWLEDGED` if it cannot know.
 * - MUST NOT publish a second time a message whose `messageId` it was given for that topic within the last `maxAgeMs`, whether it still
 *   holds the first or not, and resolve to the place of the first.
 * - MUST trim a topic to its bounds, oldest first, and nothing else. It MAY hold a sixteenth or 256 messages more, and forget a topic of which it
 *   holds nothing and to which nobody listens.
 * - MUST say in `floor` what may be gone. It MUST begin another epoch where messages that it has acknowledged, or had told of, are
 *   gone from the newer end, as after a crash, as far as it can know; for what it cannot, there is `renew`.
 * - MUST NOT tell a listener of a message twice, or of messages in another order than that of their offsets. It MAY miss some, if a
 *   notice after that shows it by its `previous`, or `restored` is called: while there is a connection, the newest message is told.
 * - MUST answer every promise within its own time limit, with an error that says what is wrong: `ERR_BROKER` where the network or
 *   the server fails.
 * - MUST come back by itself after a failure, with growing and random delays, and MUST NOT let what it holds meanwhile grow: what it
 *   cannot send at once, it rejects; at once, while there is no connection.
 * - MUST reject with `ERR_CLOSED` whatever is called after `close`, but for `signal`, `unlisten` and `close`, which do nothing.
 */
export interface Broker {
  /** What it is, for messages: `redis`, `nats`. */
  readonly name: string;
  /** Whether offsets are 1, 2, 3 ... in each topic, so that how many messages are missing can be told. */
  readonly isDense: boolean;

  /** Gives it the hub that it tells. Called once, before everything else. */
  attach(host: BrokerHost): void;

  /** Adds a message to a topic, and trims that. */
  publish(topic: string, message: BrokerPublication, bounds: LogBounds): Promise<Position>;

  /**
   * The messages after an offset, as of now.
   *
   * @param current How many milliseconds ago whoever asks had every message up to `after`, or even more, for certain; Infinity if that is not known.
   *   A broker that forgets the offsets of what it has trimmed may tell by it that nothing can be gone.
   */
  read(topic: string, after: number, bounds: LogBounds, current: number): Promise<History>;

  /** Tells of what is published to a topic from now on: of everything that is published after this resolves. Once for a topic. */
  listen(topic: string, listener: (notice: Notice) => void): Promise<void>;

  /** Stops that. Nothing more is told once this returns. */
  unlisten(topic: string): void;

  /**
   * Begins another epoch in a topic whose epoch is still this one, which holds nothing yet: whoever had messages of the last one is not to
   * have them again. Its offsets go on or begin anew. For a hub that sees that the broker has lost its newest messages. A broker whose topics
   * have one epoch in common renews them all.
   */
  renew(topic: string, epoch: string): Promise<void>;

  /** Tells every process, as well as it can: what is told while a process has no connection, is not told to it. */
  signal(text: string): void;

  /** Lets go of every connection that it has opened. Nothing is called afterwards. */
  close(): Promise<void>;
}
