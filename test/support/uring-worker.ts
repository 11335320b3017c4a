/** A thread that starts a ring, says whether it has one, and ends in the way that it was given. */
import * as koffi from "koffi";
import { parentPort, workerData } from "node:worker_threads";
import { useIoUring } from "../../src/adapters/node/uring/index.ts";

parentPort?.postMessage(useIoUring({ koffi }).active);
if (workerData === "process.exit") process.exit();
if (workerData === "throws") throw new Error("As the test wants it.");
if (workerData === "stays") setInterval(() => undefined, 1000);
