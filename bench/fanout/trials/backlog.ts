/** Clients that come back for a thousand messages each, or fetch a file of that size: one of the two, one round. */
import { usageBetween } from "../../support/usage.ts";
import { Crowd } from "../clients/crowd.ts";
import { eventSource, type Greeting } from "../clients/greeting.ts";
import { nowUs } from "../messages.ts";
import { startNodeServer, type Server } from "../servers/server.ts";
import { inTrial, type TrialSpec } from "./trial.ts";

/** The variant is the name of a server's file: `ours` or `static-file`. */
export interface BacklogSpec extends TrialSpec {
  readonly clients: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface BacklogResult {
  /** The server's CPU time for each byte of a body, nanoseconds. */
  readonly cpuNsPerByte: number;
  readonly userNsPerByte: number;
  readonly systemNsPerByte: number;
  readonly bytesPerClient: number;
  readonly seconds: number;
  readonly loadShare: number;
}

/** Clients that come before, so that the server's code is warm. */
const WARM_UPS = 300;

/** Whoever comes back to ours names the position before the first message. */
async function greetingFor(variant: string, { port }: Server): Promise<Greeting> {
  if (variant !== "ours") return eventSource();
  const answer = await fetch(`http://127.0.0.1:${port}/live?topic=bench&wire=poll&from=oldest`);
  const [{ open }] = (await answer.json()) as [{ open: { position: string } }];
  return eventSource(`/live?topic=bench&lastEventId=${encodeURIComponent(open.position)}`);
}

await inTrial<BacklogSpec, BacklogResult>(
  async ({ variant, clients, messages }, server) => {
    const greeting = await greetingFor(variant, server);
    const early = new Crowd();
    await early.connect(WARM_UPS, server.port, greeting);
    await early.until(WARM_UPS * messages);
    const crowd = new Crowd();
    const before = await server.usage();
    const own = process.cpuUsage();
    const start = nowUs();
    await crowd.connect(clients, server.port, greeting);
    await crowd.until(clients * messages);
    const tookUs = nowUs() - start;
    const ownSpent = process.cpuUsage(own);
    const { user, system } = usageBetween(before, await server.usage());
    crowd.check(messages);
    return {
      cpuNsPerByte: ((user + system) * 1000) / crowd.bytes,
      userNsPerByte: (user * 1000) / crowd.bytes,
      systemNsPerByte: (system * 1000) / crowd.bytes,
      bytesPerClient: crowd.bytes / clients,
      seconds: tookUs / 1e6,
      loadShare: (ownSpent.user + ownSpent.system) / tookUs,
    };
  },
  ({ variant, cores, messages, bytes }) =>
    startNodeServer(`${variant}.ts`, [String(messages), String(bytes)], cores[0]),
);
