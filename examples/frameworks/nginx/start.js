// Starts the server and, before it, an nginx that needs no rights of the system. On SIGTERM the hub ends its streams
// through nginx, so nginx goes last.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drainOnSignal } from "comet-sockets/node";
import { hub, server } from "./server.js";

const { PORT = "4000", API_PORT = "4001", PATH } = process.env;
const folder = mkdtempSync(join(tmpdir(), "nginx-"));
// If root starts nginx, its workers have another user.
chmodSync(folder, 0o755);
const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`);

/** Writes the configuration with the ports of this run, and with paths in the folder. */
function configure() {
  const text = readFileSync("nginx.conf", "utf8")
    .replace("127.0.0.1:4000", `127.0.0.1:${PORT}`)
    .replace("127.0.0.1:4001", `127.0.0.1:${API_PORT}`)
    .replace("http {", `http {\n  access_log off;\n  ${temporary.join("\n  ")}`);
  writeFileSync(join(folder, "nginx.conf"), `daemon off;\npid nginx.pid;\n${text}`);
}

configure();
if (!server.listening) await once(server, "listening");
const nginx = spawn("nginx", ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], {
  stdio: "inherit",
  env: { PATH: `${PATH}:/usr/sbin` },
});
const watcher = watch(".", (_event, name) => {
  if (name !== "nginx.conf") return;
  configure();
  nginx.kill("SIGHUP");
});
const onDrained = async () => {
  watcher.close();
  nginx.kill("SIGQUIT");
  await once(nginx, "exit");
  rmSync(folder, { recursive: true });
};
drainOnSignal(hub, server, { drainMs: 1000, onDrained });
