import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { Notice } from "../../log/broker.ts";
import type { FollowedTopic, FollowedTopics } from "./followed-topics.ts";
import { followedOf, newsOf } from "./message-codec.ts";
import type { PostgresSession } from "./postgres-session.ts";

/** The size of one answer, approximately. */
const ANSWER_ENTRIES = 1000;
const ANSWER_BYTES = 1_048_576;
/** Topics of one statement. */
const FOLLOW_BATCH = 1000;
/** A poll takes at most this part of the time. */
const POLL_SHARE = 1 / 10;
/** The least time between two notifications that a process sends, in milliseconds. */
const NOTIFY_MS = 5;
/** The longest payload of a notification, in characters. The server allows 7,999 bytes. */
const MAX_PAYLOAD = 7900;

const wakeForm = /^\d{1,15}:\d{1,15}(?: \d{1,15}:\d{1,15})*$/;

/**
 * Finds the news of followed topics in one session: at once when another process notifies of them, and otherwise by polling their heads.
 * It also sends the notifications of this process.
 */
export class NewsFeed {
  readonly #session: PostgresSession;
  readonly #followed: FollowedTopics;
  readonly #pollMs: number;
  readonly #onForeign: (payload: string) => void;
  readonly #due = new Set<number>();
  /** The newest number of each topic that other processes are yet to be notified of. */
  readonly #published = new Map<number, number>();
  #isAllDue = false;
  #isFetching = false;
  #isOver = false;
  #poll: Timer | undefined;
  #notification: Timer | undefined;
  #notifiedAt = -Infinity;
  #joining: { readonly topics: FollowedTopic[]; readonly done: Promise<void> } | undefined;

  /** @param onForeign Called with a notification that is not of a hub. */
  constructor(
    session: PostgresSession,
    followed: FollowedTopics,
    pollMs: number,
    onForeign: (payload: string) => void,
  ) {
    this.#session = session;
    this.#followed = followed;
    this.#pollMs = pollMs;
    this.#onForeign = onForeign;
  }

  /** Resolves the rows of all followed topics, and begins to poll. */
  async start(): Promise<void> {
    const { names } = this.#followed;
    for (let i = 0; i < names.length; i += FOLLOW_BATCH) await this.#resolve(names.slice(i, i + FOLLOW_BATCH));
    this.#pollLater(this.#pollMs);
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#poll);
    clearTimeout(this.#notification);
  }

  /** Follows a topic. All topics of a turn are resolved by one statement. */
  async follow(name: string, listener: (notice: Notice) => void): Promise<void> {
    const topic = this.#followed.add(name, listener);
    if (this.#joining === undefined) {
      const topics: FollowedTopic[] = [];
      this.#joining = { topics, done: this.#join(topics) };
    }
    this.#joining.topics.push(topic);
    await this.#joining.done;
  }

  /** Notes that followed topics are used, so that none is forgotten. */
  async keep(): Promise<void> {
    const ids = [...this.#followed.ids];
    for (let i = 0; i < ids.length; i += FOLLOW_BATCH) {
      const some = JSON.stringify(ids.slice(i, i + FOLLOW_BATCH));
      await this.#session.read("SELECT comet.keep($1::text::json)::text", [some]).catch(() => undefined);
    }
  }

  /** Notifies other processes, soon, of a message that this one has published. */
  publish(id: number, head: number): void {
    this.#published.set(id, Math.max(head, this.#published.get(id) ?? 0));
    if (this.#isOver || this.#notification !== undefined) return;
    const waitMs = this.#notifiedAt + NOTIFY_MS - performance.now();
    if (waitMs <= 0) this.#notify();
    else this.#notification = unrefTimeout(() => this.#notify(), Math.ceil(waitMs));
  }

  /** Fetches the news of one topic. */
  fetchSoon(id: number): void {
    this.#due.add(id);
    void this.#fetch();
  }

  /** Receives a notification of any process. */
  wake(payload: string): void {
    if (wakeForm.test(payload)) {
      for (const pair of payload.split(" ")) {
        const [id, head] = pair.split(":").map(Number) as [number, number];
        const topic = this.#followed.withId(id);
        if (topic !== undefined && topic.after < head) this.#due.add(id);
      }
      if (this.#due.size === 0) return;
    } else {
      if (payload !== "*") this.#onForeign(payload);
      this.#isAllDue = true;
    }
    void this.#fetch();
  }

  async #join(topics: readonly FollowedTopic[]): Promise<void> {
    await Promise.resolve();
    this.#joining = undefined;
    for (let i = 0; i < topics.length; i += FOLLOW_BATCH) {
      const names = topics.slice(i, i + FOLLOW_BATCH).map(({ name }) => name);
      await this.#resolve(names);
    }
  }

  async #resolve(names: readonly string[]): Promise<void> {
    const rows = await this.#session.read("SELECT comet.follow($1::text::json) AS answer", [JSON.stringify(names)]);
    for (const [i, found] of followedOf(rows, names.length).entries()) {
      if (this.#followed.resolve(names[i] as string, found)) this.#due.add(found.id);
    }
    if (this.#due.size > 0) void this.#fetch();
  }

  #pollLater(ms: number): void {
    clearTimeout(this.#poll);
    if (this.#isOver) return;
    this.#poll = unrefTimeout(() => {
      this.#isAllDue = true;
      void this.#fetch();
    }, ms);
  }

  /** Fetches all that is due, one page after the other. Never rejects. */
  async #fetch(): Promise<void> {
    if (this.#isFetching) return;
    this.#isFetching = true;
    try {
      while (!this.#isOver && (this.#isAllDue || this.#due.size > 0)) await this.#fetchPage();
    } catch {
      // If the connection is broken, the session has ended. Otherwise the next poll tries again.
      this.#pollLater(Math.max(1000, this.#pollMs));
    } finally {
      this.#isFetching = false;
    }
  }

  async #fetchPage(): Promise<void> {
    const isAll = this.#isAllDue;
    const asked = new Map<number, { readonly topic: FollowedTopic; readonly after: number }>();
    for (const id of isAll ? this.#followed.ids : this.#due) {
      const topic = this.#followed.withId(id);
      if (topic !== undefined) asked.set(id, { topic, after: topic.after });
    }
    this.#due.clear();
    this.#isAllDue = false;
    if (isAll) clearTimeout(this.#poll);
    const began = performance.now();
    const values = [
      JSON.stringify([...asked.keys()]),
      JSON.stringify(Array.from(asked.values(), ({ after }) => after)),
      ...[ANSWER_ENTRIES, ANSWER_BYTES],
    ];
    const rows = await this.#session.probe("SELECT * FROM comet.fetch($1::text::json, $2::text::json, $3, $4)", values);
    if (isAll) this.#pollLater(Math.max(this.#pollMs, (performance.now() - began) / POLL_SHARE));
    if (this.#isOver) return;
    const news = newsOf(rows);
    const isLast = rows.length === news.size;
    const gone: string[] = [];
    for (const [id, each] of news) {
      const { topic, after } = asked.get(id) as { topic: FollowedTopic; after: number };
      if (each.epoch === undefined) gone.push(topic.name);
      else if (this.#followed.receive(topic, after, each, isLast)) this.#due.add(id);
    }
    if (gone.length > 0) await this.#resolve(gone);
  }

  #notify(): void {
    this.#notification = undefined;
    this.#notifiedAt = performance.now();
    const pairs = Array.from(this.#published, ([id, head]) => `${id}:${head}`);
    this.#published.clear();
    const payload = pairs.join(" ");
    const values = [payload.length <= MAX_PAYLOAD ? payload : "*"];
    // A poll finds the messages as well. If the connection is broken, the session ends.
    this.#session.read("SELECT pg_notify('{schema}', $1)::text", values).catch(() => undefined);
  }
}
