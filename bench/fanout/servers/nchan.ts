/**
 * Peer: nginx with the module nchan (Debian's `nginx` and `libnginx-mod-nchan`), one worker process, a publisher and an EventSource
 * subscriber location as in its README, all else its default. Publishing is a POST for each message; several at once are
 * pipelined on one connection. CPU time and memory are those of the master and its worker, from /proc; memory that both share
 * counts twice.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findSystemPath, systemPath } from "../../../test/support/system-packages.ts";
import { pinned } from "../../support/pinned.ts";
import { usageOf, type Usage } from "../../support/usage.ts";
import { messages } from "../messages.ts";
import type { Server } from "./server.ts";

/** Where nginx has its files. */
const folder = fileURLToPath(new URL("../../../bench-results/nginx", import.meta.url));

/** Why nchan cannot be measured on this machine, if so. */
export function nchanUnavailable(): string | undefined {
  if (process.platform !== "linux") return "it is measured by /proc, on Linux";
  if (findSystemPath("nginx") === undefined) return "no nginx: install the Debian package nginx";
  return findSystemPath("nchan") === undefined ? "no nchan: install the Debian package libnginx-mod-nchan" : undefined;
}

function configuration(port: number): string {
  return `
load_module ${systemPath("nchan")};
worker_processes 1;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 19000; }
http {
  access_log off;
  keepalive_requests 1000000;
  keepalive_timeout 1h;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /publish { nchan_publisher; nchan_channel_id bench; }
    location = /live { nchan_subscriber eventsource; nchan_channel_id bench; }
  }
}
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function whenListening(port: number): Promise<Socket> {
  for (let tries = 0; ; tries += 1) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    try {
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      return socket.resume();
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(50);
    }
  }
}

function withChildren(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").map(Number))];
}

/** Starts nginx on one core. Its channel has no subscriber count that is cheap to ask for: connected is who has had the head. */
export async function startNchan(core: number): Promise<Server> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  writeFileSync(join(folder, "nginx.conf"), configuration(port));
  const nginx = findSystemPath("nginx") ?? "nginx";
  const command = [nginx, "-p", folder, "-c", join(folder, "nginx.conf"), "-g", "daemon off;"];
  const [program, ...args] = pinned(core, command);
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  // Whatever ends this process: nginx does not notice by itself.
  process.once("exit", () => child.kill("SIGTERM"));
  const publisher = await whenListening(port);
  const usage = (): Promise<Usage> => Promise.resolve(usageOf(withChildren(child.pid ?? 0)));
  return {
    port,
    publish: (count, bytes, firstNumber) => {
      const posts = messages(count, bytes, firstNumber).map(
        (body) => `POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      publisher.write(posts.join(""));
    },
    count: () => Promise.resolve(undefined),
    usage,
    collectedUsage: usage,
    stop: () => {
      publisher.destroy();
      // The master ends its worker, and then itself; killed, it would leave it.
      child.kill("SIGTERM");
    },
  };
}
