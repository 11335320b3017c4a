import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ensureSystemPackages, systemPath } from "./system-packages.ts";
import { freePort } from "./free-port.ts";

/**
 * Starts an nginx before a server on this machine, until the test is over, and gives its origin. Nothing is set for the proxy but its
 * upstream and the version of HTTP that it speaks there: it buffers, as it does by default. HTTP/1.0 is its default too, and there it
 * holds back what does not fill a buffer, unless the answer says otherwise. `more` is further configuration of the location.
 */
export async function startNginx(upstream: string, version: "1.0" | "1.1" = "1.1", more = ""): Promise<string> {
  const port = await runNginx(
    (listen) => `events {}
http {
  server {
    listen ${listen};
    location / {
      proxy_pass ${upstream};
      proxy_http_version ${version};
      ${more}
    }
  }
}
`,
  );
  return `http://127.0.0.1:${port}`;
}

/**
 * Runs an nginx in the foreground, until the test is over, with all its files in a folder of its own.
 *
 * @param configurationOf Its configuration, for the address that it is to listen on.
 * @returns Its port on 127.0.0.1.
 */
export async function runNginx(configurationOf: (listen: string, folder: string) => string): Promise<number> {
  await ensureSystemPackages(["nginx"]);
  const folder = mkdtempSync(join(tmpdir(), "comet-nginx-"));
  const port = await freePort();
  const configuration = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const ours = configurationOf(`127.0.0.1:${port}`, folder).replace(
    "http {",
    ["http {", "access_log off;", ...temporary].join("\n  "),
  );
  writeFileSync(configuration, `daemon off;\nmaster_process off;\npid ${folder}/nginx.pid;\n${ours}`);
  const nginx = spawn(systemPath("nginx"), ["-p", folder, "-c", configuration, "-e", join(folder, "error.log")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  nginx.stderr.on("data", (data: Buffer) => (output += data.toString()));
  onTestFinished(() => stop(nginx, folder));
  await listening(nginx, port, () => output);
  return port;
}

/** Waits until nginx takes connections. */
async function listening(nginx: ChildProcess, port: number, output: () => string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (nginx.exitCode !== null) break;
    const socket = connect(port, "127.0.0.1");
    const connected = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (connected === true) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nginx has not started:\n${output()}`);
}

async function stop(nginx: ChildProcess, folder: string): Promise<void> {
  if (nginx.exitCode === null && nginx.signalCode === null) {
    const gone = once(nginx, "exit");
    nginx.kill("SIGTERM");
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
}
