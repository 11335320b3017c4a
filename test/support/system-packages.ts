import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, globSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { promisify } from "node:util";

/** Something the tests or a benchmark need of the machine, and the Debian package that brings it. */
interface SystemNeed {
  /** A command on the PATH, or an absolute path that may hold `*`; the first that exists is taken. */
  readonly candidates: readonly string[];
  readonly debianPackage: string;
  /** The environment variable that may name another executable. */
  readonly variable?: string;
  /** Whether the package starts a daemon when it is installed, unless it is kept from that. */
  readonly startsDaemon?: boolean;
}

const needs = {
  chromium: {
    candidates: ["chromium", "chromium-browser", "google-chrome"],
    debianPackage: "chromium",
    variable: "CHROMIUM",
  },
  firefox: { candidates: ["firefox-esr", "firefox"], debianPackage: "firefox-esr", variable: "FIREFOX" },
  MiniBrowser: {
    candidates: ["/usr/lib/*/webkit2gtk-4.1/MiniBrowser", "/usr/lib{,64,exec}/webkit2gtk-4.1/MiniBrowser"],
    debianPackage: "libwebkit2gtk-4.1-0",
  },
  curl: { candidates: ["curl"], debianPackage: "curl" },
  python3: { candidates: ["python3"], debianPackage: "python3" },
  // Debian keeps it where only root's PATH leads.
  nginx: { candidates: ["nginx", "/usr/sbin/nginx"], debianPackage: "nginx", startsDaemon: true },
  nchan: {
    candidates: ["/usr/lib/nginx/modules/ngx_nchan_module.so"],
    debianPackage: "libnginx-mod-nchan",
    variable: "NCHAN_MODULE",
    startsDaemon: true,
  },
  "redis-server": { candidates: ["redis-server"], debianPackage: "redis-server", startsDaemon: true },
  "nats-server": {
    candidates: ["nats-server", "/usr/sbin/nats-server"],
    debianPackage: "nats-server",
    startsDaemon: true,
  },
  postgres: {
    candidates: ["/usr/lib/postgresql/*/bin/postgres", "postgres"],
    debianPackage: "postgresql",
    variable: "POSTGRES",
    startsDaemon: true,
  },
  pgbouncer: { candidates: ["pgbouncer", "/usr/sbin/pgbouncer"], debianPackage: "pgbouncer", startsDaemon: true },
  openssl: { candidates: ["openssl"], debianPackage: "openssl" },
  Xvfb: { candidates: ["Xvfb"], debianPackage: "xvfb" },
  fonts: {
    candidates: [
      "/usr/share/fonts/**/{DejaVuSans,LiberationSans-Regular,NotoSans-Regular}.ttf",
      "/System/Library/Fonts/Helvetica.ttc",
    ],
    debianPackage: "fonts-dejavu-core",
  },
} satisfies Record<string, SystemNeed>;

export type SystemNeedName = keyof typeof needs;

/** What the whole test suite needs: all of the table but what only a benchmark runs. */
export const systemNeeds = (Object.keys(needs) as SystemNeedName[]).filter((name) => name !== "nchan");

/** The path of a program or file from the table, or `undefined` where the machine has none. */
export function findSystemPath(name: SystemNeedName): string | undefined {
  const need: SystemNeed = needs[name];
  const override = need.variable === undefined ? undefined : process.env[need.variable];
  const candidates = override === undefined || override === "" ? need.candidates : [override];
  return candidates.map(resolveCandidate).find((path) => path !== undefined);
}

/**
 * The same, for a caller that cannot go on without it.
 *
 * @throws an Error that says what is missing and how to install it
 */
export function systemPath(name: SystemNeedName): string {
  const path = findSystemPath(name);
  if (path === undefined) throw new Error(explainMissing([name]));
  return path;
}

/**
 * Makes sure that everything named is on this machine. On a Debian where we are root, what is missing is installed with
 * apt-get (one line says so); with nothing missing it only looks, and runs no other program.
 *
 * @throws an Error that says what is missing and how to install it
 */
export async function ensureSystemPackages(wanted: readonly SystemNeedName[]): Promise<void> {
  const missing = missingOf(wanted);
  if (missing.length === 0) return;
  // An override that leads nowhere is a mistake to mend: a package would not change where it points.
  if (!canInstall() || missing.some(isOverridden)) throw new Error(explainMissing(missing));

  const packages = packagesOf(missing);
  console.log(`Installing Debian packages: ${packages.join(" ")}`);
  await aptGet("update");
  const install = (): Promise<void> => aptGet("install", "-y", "--no-install-recommends", ...packages);
  const daemons = missing.some((name) => (needs[name] as SystemNeed).startsDaemon === true);
  await (daemons ? withoutDaemons(install) : install());

  const stillMissing = missingOf(missing);
  if (stillMissing.length > 0) throw new Error(`After the installation: ${explainMissing(stillMissing)}`);
}

function resolveCandidate(candidate: string): string | undefined {
  if (isAbsolute(candidate)) return globSync(candidate).sort()[0];
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, candidate)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function missingOf(names: readonly SystemNeedName[]): SystemNeedName[] {
  return [...new Set(names)].filter((name) => findSystemPath(name) === undefined);
}

function packagesOf(names: readonly SystemNeedName[]): string[] {
  return [...new Set(names.map((name) => needs[name].debianPackage))];
}

function isOverridden(name: SystemNeedName): boolean {
  const { variable }: SystemNeed = needs[name];
  return variable !== undefined && (process.env[variable] ?? "") !== "";
}

function canInstall(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0 && resolveCandidate("apt-get") !== undefined;
}

function explainMissing(names: readonly SystemNeedName[]): string {
  const lines = names.map((name) => {
    const { candidates, variable }: SystemNeed = needs[name];
    const override = variable === undefined ? "" : `, or set ${variable} to its path`;
    return isOverridden(name) && variable !== undefined
      ? `  ${name}: ${variable} is "${process.env[variable] ?? ""}", where there is none`
      : `  ${name}: no ${candidates.join(", no ")}${override}`;
  });
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packagesOf(names).join(" ")}`;
  return `This machine lacks:\n${lines.join("\n")}\nOn Debian, as root: ${command}`;
}

/** What Debian asks before an installation starts a daemon: 101 forbids it (invoke-rc.d(8)). */
const policyFile = "/usr/sbin/policy-rc.d";

/** Keeps what is installed meanwhile from starting daemons. A machine that has a rule of its own for that keeps it. */
async function withoutDaemons(install: () => Promise<void>): Promise<void> {
  if (existsSync(policyFile)) return install();
  writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    rmSync(policyFile);
  }
}

async function aptGet(...args: readonly string[]): Promise<void> {
  // Somebody else may be installing too: wait for its lock instead of failing at once.
  const lockWait = ["-o", "DPkg::Lock::Timeout=120"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  try {
    await promisify(execFile)("apt-get", ["-q", ...lockWait, ...args], { env, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    throw new Error(`apt-get ${args.join(" ")} failed:\n${stderr.trim()}`, { cause: error });
  }
}
