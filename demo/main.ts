/**
 * Runs the demo until SIGINT or SIGTERM: `PORT=4000 node demo/main.ts`. It keeps the chat and the chart in `demo/data/comet.db` over
 * restarts; `DEMO_FILE` is another path.
 */
import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Broker } from "comet-sockets";
import { sqliteBroker } from "comet-sockets/sqlite";
import { createDemo } from "./server.ts";

const HOST = "127.0.0.1";
const DEFAULT_PORT = "4000";

const port = portOf(process.env["PORT"] ?? DEFAULT_PORT);
if (port === undefined) fail("PORT must be a whole number from 0 to 65535; 0 takes any port that is free.");
else await start(port).catch((error: unknown) => fail((error as Error).message));

function portOf(text: string): number | undefined {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  return number <= 65_535 ? number : undefined;
}

async function start(port: number): Promise<void> {
  const broker = await openBroker();
  try {
    run(port, broker);
  } catch (error) {
    // Its file keeps the process alive.
    await broker.close();
    throw error;
  }
}

function openBroker(): Promise<Broker> {
  const path = process.env["DEMO_FILE"] ?? fileURLToPath(new URL("data/comet.db", import.meta.url));
  mkdirSync(dirname(path), { recursive: true });
  return sqliteBroker({ path });
}

function run(port: number, broker: Broker): void {
  const demo = createDemo({ broker });
  const { server } = demo;
  // Then nothing keeps the process alive.
  const stop = (): void => void demo.close();
  server.on("error", (error: NodeJS.ErrnoException) => {
    fail(error.code === "EADDRINUSE" ? `Port ${port} is in use. Choose another with PORT.` : error.message);
    stop();
  });
  server.listen(port, HOST, () => {
    process.once("SIGINT", stop).once("SIGTERM", stop);
    if (process.env["npm_lifecycle_event"] !== undefined) onceOrphaned(stop);
    console.log(`ready http://${HOST}:${(server.address() as AddressInfo).port}`);
  });
}

/** A SIGTERM to npm ends npm and its shell, but the shell does not forward it, so the shell's exit is the signal. */
function onceOrphaned(act: () => void): void {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    act();
  }, 200);
  watch.unref();
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
