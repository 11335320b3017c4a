// Starts the server and, before it, Vite. On SIGTERM the server ends its streams through Vite's proxy, so Vite goes last.
import { spawn } from "node:child_process";
import { once } from "node:events";

const start = (file) => spawn(process.execPath, [file], { stdio: "inherit" });
const server = start("server.js");
const vite = start("node_modules/vite/bin/vite.js");
process.once("SIGTERM", async () => {
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  await ended;
  vite.kill("SIGTERM");
});
