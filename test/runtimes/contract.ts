import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cases } from "../support/runtimes/cases.ts";
import { RuntimeProcess } from "../support/runtimes/runtime-process.ts";
import type { Runtime } from "../support/runtimes/runtimes.ts";

/** Whether `npm run test:runtimes` runs: all of the work, and not less of the same. */
export const isFull: boolean = process.env["RUNTIMES"] === "full";

/** Runs every case of the contract on a runtime, in one process of it. */
export function runtimeContract(runtime: Runtime): void {
  describe(runtime.name, () => {
    let server: RuntimeProcess;
    let hubs = 0;
    beforeAll(async () => {
      server = await RuntimeProcess.start(runtime);
    });
    afterAll(() => server.stop());

    const hub = async (options = {}): Promise<string> => {
      hubs += 1;
      await server.order(`hub${hubs}`, { op: "create", options });
      return `hub${hubs}`;
    };
    for (const { title, run, missing } of cases) {
      if (missing?.(runtime) === undefined) test(title, () => run({ server, isFull, hub }));
    }

    // Clients have left in every way by now.
    test("logs nothing", () => {
      expect(server.output).toBe("");
    });
  });
}
