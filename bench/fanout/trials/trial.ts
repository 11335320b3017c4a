import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "../clients/crowd.ts";
import type { Greeting, Http2Greeting } from "../clients/greeting.ts";
import { variantNamed } from "../catalogue.ts";
import type { Server } from "../servers/server.ts";

/** What every trial is told. */
export interface TrialSpec {
  readonly variant: string;
  readonly cores: readonly [server: number, load: number];
}

/**
 * Runs a trial: reads its specification from the command line, starts the server, and prints the result of `trial` as a line of
 * JSON. The server is stopped and the process ends, whether the trial succeeds or fails.
 *
 * @param start Starts the server; that of the variant in the catalogue by default.
 */
export function inTrial<Spec extends TrialSpec, Result>(
  trial: (spec: Spec, server: Server) => Promise<Result>,
  start: (spec: Spec) => Promise<Server> = ({ variant, cores }) => variantNamed(variant).start(cores[0]),
): Promise<void> {
  return inTrialOf(start, trial);
}

/** The same with something else than one server under test, for example two. */
export async function inTrialOf<Spec, Subject extends { stop(): void }, Result>(
  start: (spec: Spec) => Promise<Subject>,
  trial: (spec: Spec, subject: Subject) => Promise<Result>,
): Promise<void> {
  const spec = JSON.parse(process.argv[2] ?? "") as Spec;
  const subject = await start(spec);
  try {
    const result = await trial(spec, subject);
    // At once: the kernel closes the sockets faster than this process could, one by one.
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    setImmediate(() => process.exit());
  } finally {
    subject.stop();
  }
}

/** Connects a crowd, and waits until the server has all of it. Tells how much memory each of them takes. */
export async function connectCrowd(
  server: Server,
  greeting: Greeting | Http2Greeting,
  connections: number,
): Promise<{ readonly crowd: Crowd; readonly idleBytes: number }> {
  const empty = await server.collectedUsage();
  const crowd = new Crowd();
  await crowd.connect(connections, server.port, greeting);
  await whenCounted(server, connections);
  const full = await server.collectedUsage();
  return { crowd, idleBytes: (full.rss - empty.rss) / connections };
}

/** Waits until the server has so many clients. @throws {Error} if it does not within ten seconds. */
export async function whenCounted(server: Server, connections: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const count = await server.count();
    // Who does not count has sent the head before it subscribes, perhaps; a while is enough for the last one.
    if (count === undefined) return sleep(300);
    if (count === connections) return;
    await sleep(50);
  }
  throw new Error(`The server counts ${String(await server.count())} connections, not ${connections}.`);
}
