import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { serverFolder, serverOwner } from "./postgres.ts";
import { ensureSystemPackages, systemPath } from "./system-packages.ts";

/** A PgBouncer in transaction mode, in front of a server of this machine. */
export interface PgBouncer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts it on a free port of 127.0.0.1, with few connections to the server. */
export async function startPgBouncer(serverPort: number): Promise<PgBouncer> {
  await ensureSystemPackages(["pgbouncer"]);
  const folder = serverFolder("pgbouncer");
  const port = await freePort();
  const file = join(folder, "pgbouncer.ini");
  const users = join(folder, "users.txt");
  writeFileSync(users, '"postgres" ""\n');
  const lines = [
    ...["[databases]", `* = host=127.0.0.1 port=${serverPort}`, "[pgbouncer]", `listen_port = ${port}`],
    ...["listen_addr = 127.0.0.1", "unix_socket_dir =", "auth_type = trust", `auth_file = ${users}`],
    ...["pool_mode = transaction", "default_pool_size = 3", "max_client_conn = 100"],
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const child = spawn(systemPath("pgbouncer"), [file], { ...serverOwner(), cwd: folder, stdio: "ignore" });
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  const deadline = Date.now() + 10_000;
  while (!(await isListening(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`pgbouncer does not listen on port ${port}.`);
    await sleep(20);
  }
  return {
    port,
    close: async () => {
      process.off("exit", stop);
      const exited = once(child, "exit");
      stop();
      await exited;
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
