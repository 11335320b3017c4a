import type { Link } from "./link.ts";
import { isNoScript, textOf } from "./replies.ts";

/** A script that the servers know by its digest. */
export interface Script {
  readonly source: string;
  readonly digest: string;
}

/** A run that waits until the server knows its script again. */
interface Waiting {
  readonly turn: number;
  readonly begin: () => void;
}

/**
 * Runs scripts by their digests. A server that has forgotten them, as after a restart, is given the source again; those runs for the
 * same keys that it could not do meanwhile follow in the order in which they were asked for, before any others.
 */
export class ScriptRunner {
  readonly #link: Link;
  readonly #waiting = new Map<string, Waiting[]>();
  #turns = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  async load(source: string): Promise<Script> {
    return { source, digest: textOf(await this.#link.ask(["SCRIPT", "LOAD", source])) };
  }

  /** @param keys The first is that by which runs are kept in order. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const turn = this.#turns++;
    const waiting = this.#waiting.get(keys[0] as string);
    return waiting === undefined ? this.#try(script, keys, args, turn) : this.#wait(waiting, script, keys, args, turn);
  }

  async #try(script: Script, keys: readonly string[], args: readonly string[], turn: number): Promise<unknown> {
    const [key] = keys as readonly [string];
    try {
      return await this.#link.send(key, ["EVALSHA", script.digest, String(keys.length), ...keys, ...args]);
    } catch (error) {
      if (!isNoScript(error)) throw error;
    }
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return this.#wait(waiting, script, keys, args, turn);
    const others: Waiting[] = [];
    this.#waiting.set(key, others);
    try {
      return await this.#link.send(key, ["EVAL", script.source, String(keys.length), ...keys, ...args]);
    } finally {
      // All that was sent before has been answered.
      this.#waiting.delete(key);
      for (const { begin } of others.sort((a, b) => a.turn - b.turn)) begin();
    }
  }

  #wait(
    waiting: Waiting[],
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    turn: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      waiting.push({ turn, begin: () => void this.#try(script, keys, args, turn).then(resolve, reject) });
    });
  }
}
