import { setTimeout as sleep } from "node:timers/promises";
import type { Crowd } from "../clients/crowd.ts";
import { nowUs } from "../messages.ts";
import type { Server } from "../servers/server.ts";

/** Messages that are published under one name. */
export interface Load {
  readonly name: string;
  readonly bytes: number;
  /** Messages that are published in one turn of the event loop. */
  readonly perTurn: number;
  readonly warmUps: number;
  readonly publishes: number;
  /** The least time from one publish to the next, in milliseconds. */
  readonly intervalMs: number;
}

/** Publishes and waits until every client has everything, again and again. */
export class Publisher {
  /** Messages that were published so far: each client must have received as many. */
  published = 0;
  /** How long messages were on their way altogether, and the CPU time of this process meanwhile, in microseconds. */
  wayUs = 0;
  ownUs = 0;
  readonly #server: Server;
  readonly #crowd: Crowd;

  constructor(server: Server, crowd: Crowd) {
    this.#server = server;
    this.#crowd = crowd;
  }

  /** @throws {Error} if a client has not received exactly what was published. */
  async publish({ perTurn, bytes, intervalMs }: Load, times: number): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      const start = nowUs();
      const own = process.cpuUsage();
      this.#server.publish(perTurn, bytes, this.published);
      this.published += perTurn;
      await this.#crowd.until(this.published * this.#crowd.clients.length);
      const tookUs = nowUs() - start;
      const { user, system } = process.cpuUsage(own);
      this.wayUs += tookUs;
      this.ownUs += user + system;
      await sleep(Math.max(1, intervalMs - tookUs / 1000));
    }
    this.#crowd.check(this.published);
  }

  /** Publishes a few messages, alone and together. @throws {Error} if a client does not receive each of them exactly once. */
  async check(): Promise<void> {
    const load = { name: "check", bytes: 100, warmUps: 0, publishes: 0, intervalMs: 1 };
    await this.publish({ ...load, perTurn: 1 }, 3);
    await this.publish({ ...load, perTurn: 10 }, 2);
    await sleep(50);
    this.#crowd.check(this.published);
  }
}
