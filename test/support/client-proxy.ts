import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { serve, type TestServer } from "./servers.ts";

/** The fate of one connection. */
type Fate = "honest" | "slow" | "held" | "stalled" | "cut" | "reset" | "truncated" | "refused" | "status" | "mute";

/** Weighted: half of the connections live until the other side ends them. */
const fates: readonly Fate[] = [
  ...(["honest", "honest", "slow", "slow", "held", "stalled", "cut", "cut", "reset", "reset"] as const),
  ...(["truncated", "refused", "status", "status", "mute"] as const),
];
/** Those after which a client reconnects. */
const statuses = ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "408 Request Timeout"];

export interface BadProxy {
  readonly origin: string;
  /** The number of connections with each fate. */
  readonly had: Partial<Record<Fate, number>>;
  /** Ends all connections, and harms further ones. Before that they are honest. */
  readonly harm: () => void;
  /** Ends all connections; further ones are honest. */
  readonly heal: () => void;
}

/** A generator of random numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A TCP proxy that harms connections whose first request is for `/events`: it cuts them by FIN or RST at any byte,
 * stalls, delays, holds back or truncates them, and answers itself or not at all.
 *
 * Call `harm` once the clients are connected: an `EventSource` gives up if its first response is a failure.
 */
export async function badProxy(port: () => number, seed: number): Promise<BadProxy> {
  const random = seeded(seed);
  const had: BadProxy["had"] = {};
  const open = new Set<Socket>();
  let isHarmful = false;
  const track = (socket: Socket): Socket => {
    open.add(socket);
    return socket.on("error", () => undefined).on("close", () => open.delete(socket));
  };
  const server = createServer((client) => {
    track(client).once("data", (head: Buffer) => {
      const isHarmed = isHarmful && head.toString("latin1").includes(" /events");
      const fate = isHarmed ? (fates[Math.floor(random() * fates.length)] as Fate) : "honest";
      if (isHarmed) {
        had[fate] = (had[fate] ?? 0) + 1;
        // Some wires send several requests on one connection.
        setTimeout(() => client.resetAndDestroy(), 300 + 2000 * random());
      }
      if (fate === "mute") return;
      if (fate === "refused") client.resetAndDestroy();
      else if (fate === "status") {
        const status = statuses[Math.floor(random() * statuses.length)] as string;
        client.end(`HTTP/1.1 ${status}\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n`);
      } else relay(client, track(connect(port(), "127.0.0.1")), head, fate, random);
    });
  });
  const turn = (toHarm: boolean): void => {
    isHarmful = toHarm;
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    had,
    harm: () => turn(true),
    heal: () => turn(false),
  };
}

function relay(client: Socket, hub: Socket, head: Buffer, fate: Fate, random: () => number): void {
  client.on("data", (bytes) => hub.write(bytes));
  client.on("close", () => hub.destroy());
  // A close without an end is a reset, and is passed on as one.
  hub.on("close", (hasFailed) => (hasFailed ? client.destroy() : undefined));
  hub.write(head);
  // Mostly within the head and the first messages, and at times much later.
  let left = Math.floor(4000 * random() ** 2 + (random() < 0.3 ? 20_000 * random() : 0));
  const delayMs = 1 + 30 * random();
  if (fate === "held") {
    const held: Buffer[] = [];
    const flush = (): void => void client.write(Buffer.concat(held.splice(0)));
    const timer = setInterval(flush, 200 + 600 * random());
    client.on("close", () => clearInterval(timer));
    hub.on("data", (bytes: Buffer) => held.push(bytes));
    hub.on("end", () => {
      flush();
      client.end();
    });
    return;
  }
  if (fate === "slow") {
    hub.on("data", (bytes: Buffer) => {
      hub.pause();
      client.write(bytes.subarray(0, 7));
      setTimeout(() => {
        client.write(bytes.subarray(7));
        hub.resume();
      }, delayMs);
    });
    hub.on("end", () => client.end());
    return;
  }
  hub.on("data", (bytes: Buffer) => {
    if (fate === "honest" || left >= bytes.length) {
      left -= bytes.length;
      client.write(bytes);
      return;
    }
    hub.destroy();
    // A truncated response looks complete.
    if (fate === "truncated") client.end("0\r\n\r\n");
    else {
      client.write(bytes.subarray(0, left), () => {
        if (fate === "cut") client.end();
        else if (fate === "reset") client.resetAndDestroy();
        // A stalled connection sends nothing more, and never ends.
      });
    }
  });
  hub.on("end", () => client.end());
}

/** A proxy that passes a response on only when it is complete. */
export function bufferingProxy({ origin }: TestServer): Promise<TestServer> {
  return serve((response) => {
    const controller = new AbortController();
    response.on("close", () => controller.abort());
    fetch(`${origin}${response.req.url ?? "/"}`, controller)
      .then(async (answer) => {
        const body = Buffer.from(await answer.arrayBuffer());
        response.statusCode = answer.status;
        response.setHeader("content-type", answer.headers.get("content-type") ?? "");
        response.end(body);
      })
      .catch(() => response.destroy());
  });
}
