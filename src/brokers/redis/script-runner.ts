import type { RedisLink } from "./redis-link.ts";
import { isNoScript, textOf } from "./replies.ts";

/** A script that the servers know by its digest. */
export interface RedisScript {
  readonly source: string;
  readonly digest: string;
}

/** A run that waits until the server has its script again. */
interface DelayedRun {
  readonly turn: number;
  readonly begin: () => void;
}

/**
 * Runs scripts by their digests, in order for each key. A server that has lost its scripts, as after a restart, is sent the source
 * again; the runs for the same key that it rejected meanwhile follow in the order of the calls, before any later ones. Messages of one
 * process keep their order by this alone.
 */
export class ScriptRunner {
  readonly #link: RedisLink;
  readonly #delayed = new Map<string, DelayedRun[]>();
  #turns = 0;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  async load(source: string): Promise<RedisScript> {
    return { source, digest: textOf(await this.#link.sendToAny(["SCRIPT", "LOAD", source])) };
  }

  /** @param keys Runs with the same first key keep their order. */
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const turn = this.#turns++;
    const delayed = this.#delayed.get(keys[0] as string);
    return delayed === undefined ? this.#try(script, keys, args, turn) : this.#delay(delayed, script, keys, args, turn);
  }

  async #try(script: RedisScript, keys: readonly string[], args: readonly string[], turn: number): Promise<unknown> {
    const [key] = keys as readonly [string];
    try {
      return await this.#link.send(key, ["EVALSHA", script.digest, String(keys.length), ...keys, ...args]);
    } catch (error) {
      if (!isNoScript(error)) throw error;
    }
    const delayed = this.#delayed.get(key);
    if (delayed !== undefined) return this.#delay(delayed, script, keys, args, turn);
    const others: DelayedRun[] = [];
    this.#delayed.set(key, others);
    try {
      return await this.#link.send(key, ["EVAL", script.source, String(keys.length), ...keys, ...args]);
    } finally {
      // Replies come in order, so all runs that were sent before have been replied to.
      this.#delayed.delete(key);
      for (const { begin } of others.sort((a, b) => a.turn - b.turn)) begin();
    }
  }

  #delay(
    delayed: DelayedRun[],
    script: RedisScript,
    keys: readonly string[],
    args: readonly string[],
    turn: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      delayed.push({ turn, begin: () => void this.#try(script, keys, args, turn).then(resolve, reject) });
    });
  }
}
