import type { AddressInfo } from "node:net";
import { ownUsage } from "../../support/usage.ts";
import { messages } from "../messages.ts";

/** What a server of the benchmark does when it is told to. */
export interface Hosted {
  /** Sends messages to everybody, all within this turn of the event loop, as the framework's documentation would have it. */
  readonly publish: (messages: readonly string[]) => void;
  /** How many clients are there. */
  readonly count: () => number;
}

/** What all servers listen with. A backlog of the size that connects at once need. */
export const listenOptions = { port: 0, host: "127.0.0.1", backlog: 4096 } as const;

interface Listening {
  readonly address: () => AddressInfo | string | null;
}

/**
 * Serves the benchmark from a Node process. Says on stdout which port it listens on, and then answers each line on stdin:
 * `publish <count> <bytes> <first number>` by nothing at all, `count`, `usage`, and `gc` (which collects, then tells its usage) by one
 * line of JSON. Ends when stdin does.
 */
export function host(server: Listening, { publish, count }: Hosted): void {
  const commands: { readonly [name: string]: (...args: number[]) => unknown } = {
    publish: (howMany = 0, bytes = 0, first = 0) => publish(messages(howMany, bytes, first)),
    count,
    usage: ownUsage,
    gc: () => {
      // Twice: what finalizers and weak references let go is collected the second time.
      globalThis.gc?.();
      globalThis.gc?.();
      return ownUsage();
    },
  };
  let text = "";
  process.stdin.setEncoding("latin1");
  process.stdin.on("data", (chunk: string) => {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const [name = "", ...args] = line.split(" ");
      const answer = commands[name]?.(...args.map(Number));
      if (answer !== undefined) console.log(JSON.stringify(answer));
    }
  });
  process.stdin.on("end", () => process.exit());
  console.log((server.address() as AddressInfo).port);
}
