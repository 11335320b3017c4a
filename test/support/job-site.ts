import type { IncomingMessage, ServerResponse } from "node:http";
import { onTestFinished, vi } from "vitest";
import { Hub } from "comet-sockets";
import { Exports, jobTopics } from "../../examples/job/exports.ts";
import { jobSite } from "../../examples/job/site.ts";
import { serve, type TestServer } from "./servers.ts";

/** The steps of an export, and its rows. */
export const STEPS = 100;
export const ROWS = 5000;

/** Holds the steps of all exports until the test allows them. */
export class StepGate {
  readonly #waiting = new Map<AbortSignal, () => void>();
  readonly #taken = new Map<AbortSignal, number>();
  #allowed = 0;

  /** The number of exports that wait for a step. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Allows each export, also each later one, this number of steps in all. */
  allow(steps: number): void {
    this.#allowed = steps;
    for (const proceed of [...this.#waiting.values()]) proceed();
  }

  /** The work of a step. Its signal is that of the whole export. */
  readonly step = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const taken = (this.#taken.get(signal) ?? 0) + 1;
      this.#taken.set(signal, taken);
      const proceed = (): void => {
        if (taken > this.#allowed) return;
        this.#waiting.delete(signal);
        resolve();
      };
      this.#waiting.set(signal, proceed);
      signal.addEventListener("abort", () => {
        this.#waiting.delete(signal);
        reject(signal.reason);
      });
      proceed();
    });
}

/** The example `examples/job`, whose exports go on when the test lets them. */
export interface GatedJobs extends TestServer {
  readonly hub: Hub;
  readonly gate: StepGate;
}

export async function serveJobs(): Promise<GatedJobs> {
  const gate = new StepGate();
  const hub = new Hub({ topics: jobTopics });
  onTestFinished(() => hub.close({ drainMs: 0 }));
  const site = jobSite(hub, new Exports(hub, gate.step));
  const server = await serve((response) => site(response.req as IncomingMessage, response as ServerResponse));
  return { ...server, hub, gate };
}

/** Records the errors that are logged until the test is over, in place of printing them. */
export function loggedErrors(): readonly unknown[] {
  const errors: unknown[] = [];
  const log = vi.spyOn(console, "error").mockImplementation((error) => void errors.push(error));
  onTestFinished(() => log.mockRestore());
  return errors;
}
