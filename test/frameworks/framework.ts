/** The frameworks that the package is tested with: a folder of `examples/frameworks/` each, which has a `framework.json`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/run.ts";

/** The cases that each framework is tested for, in the order of the table, and their headings. */
export const cases = {
  page: "page and iframe under its CSP",
  authorization: "authorization",
  cors: "CORS",
  wires: "every wire, HEAD",
  leaving: "a leaving client is silent",
  "one-hub": "one hub",
  "hot-reload": "hot reload",
  drain: "drain on SIGTERM",
} as const;

export type CaseName = keyof typeof cases;

/** The content of a `framework.json`. */
interface Description {
  /** The name and the version, for the table. */
  readonly title: string;
  /** Commands that make what `start` runs: programs of the packages, such as `vite`, or `node`. */
  readonly build?: readonly (readonly string[])[];
  /** The command of the server. It gets `PORT` and `HOST` in its environment. */
  readonly start: readonly string[];
  /** Variables of its environment. */
  readonly env?: { readonly [name: string]: string };
  /** The command of the development server, if the framework replaces modules in a running process. */
  readonly dev?: readonly string[];
  /** The file that the test edits beside the development server. It replaces `v1`, which `/version` answers, by `v2`. */
  readonly edit?: string;
  /** The path of a page with a button `#action`, which publishes from another bundle than the routes. */
  readonly action?: string;
  /** Cases that do not apply, and the reason. */
  readonly without?: { readonly [name in CaseName]?: string };
  /** Limits of the framework, by case: the test shows them. */
  readonly limits?: { readonly [name in CaseName]?: string };
  /** Text that the server may print about a client that disconnects, if the framework logs it: see `limits`. */
  readonly logs?: string;
  /** The error with which the development server ends on an edit under an open stream, if it does: see `limits`. */
  readonly crash?: string;
  /** Whether the development server begins a new thread or process on an edit, and with it a new hub: see `limits`. */
  readonly restarts?: boolean;
  /** The code with which the process ends on SIGTERM. 0 unless a limit says otherwise. */
  readonly exitCode?: number;
}

/** A framework, and the folder of its example. */
export interface Framework extends Description {
  readonly name: string;
  readonly folder: string;
}

const examples = join(root, "examples/frameworks");

/** The names of all frameworks, in the order of the table. */
const order = [
  "express",
  "fastify",
  "koa",
  "hono",
  "nest",
  "next",
  "sveltekit",
  "nitro",
  "nuxt",
  "astro",
  "react-router",
  "vite",
  "nginx",
];

/** Reads the descriptions of all frameworks, in the order of the table. */
export function readFrameworks(): Framework[] {
  const rank = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  return readdirSync(examples)
    .filter((name) => existsSync(join(examples, name, "framework.json")))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => {
      const folder = join(examples, name);
      const description = JSON.parse(readFileSync(join(folder, "framework.json"), "utf8")) as Description;
      return { ...description, name, folder };
    });
}

/**
 * Returns the frameworks that continuous integration tests on a day: `count` in turn, so that all have had theirs after
 * as few days as possible.
 */
export function frameworksOfDay(names: readonly string[], date: Date, count = 3): string[] {
  const day = Math.floor(date.getTime() / 86_400_000);
  return Array.from({ length: Math.min(count, names.length) }, (_, i) => names[(day * count + i) % names.length] ?? "");
}

/** Returns the table of docs/frameworks.md: a row for each framework, a column for each case. */
export function frameworksTable(frameworks: readonly Framework[]): string {
  const notes: string[] = [];
  const cell = ({ title, without = {}, limits = {} }: Framework, name: CaseName): string => {
    if (without[name] !== undefined) return without[name];
    if (limits[name] === undefined) return "passes";
    notes.push(`${title}, ${cases[name]}: ${limits[name]}`);
    return `limit ${notes.length}`;
  };
  const names = Object.keys(cases) as CaseName[];
  const rows = [
    ["framework", ...Object.values(cases)],
    ["---", ...names.map(() => "---")],
    ...frameworks.map((framework) => [
      `[${framework.title}](../examples/frameworks/${framework.name}/)`,
      ...names.map((name) => cell(framework, name)),
    ]),
  ];
  const table = rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return notes.length === 0 ? table : `${table}\n\n${notes.map((note, i) => `${i + 1}. ${note}`).join("\n")}`;
}
