/**
 * Prints the structure of `src/`: `npm run structure`. Imports of types count as imports. test/package/structure.test.ts holds the rules.
 *
 * A room is a folder of `src/`, or a folder in one of {@link houses}. A README.md in any folder may have a door: a line
 * `From outside: hub.ts, topics/topic.ts`, which names the files that may be imported from outside of the folder.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve, sep } from "node:path";
import ts from "typescript";
import { entryFilesOf } from "./entry-points.ts";

/** Folders of `src/` whose folders are rooms too. */
const houses = ["adapters", "brokers", "hub", "surfaces"];

/** The prefix of a README.md's line that is a door. */
const DOOR = "From outside:";

export interface Structure {
  readonly files: number;
  readonly rooms: readonly Room[];
  /** Files that no entry point reaches. */
  readonly unreachable: readonly string[];
  /** Imports past a door: `hub/hub.ts imports log/tape.ts past the door of log/`. */
  readonly pastDoors: readonly string[];
  /** Doors that name a file that does not exist. */
  readonly falseDoors: readonly string[];
  /** Rooms without a README.md. */
  readonly unexplained: readonly string[];
}

export interface Room {
  /** Relative to `src/`: `hub/topics`. */
  readonly name: string;
  /** The number of its files, including those of its folders. */
  readonly files: number;
  /** The longest chain of imports within it, each file relative to the room. */
  readonly chain: readonly string[];
  /** The files that may be imported from outside; undefined without a door. */
  readonly door: readonly string[] | undefined;
}

/** The files of `src/`, relative to it with `/`, each with the files that it imports. */
type Imports = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the structure of the package in `root`.
 *
 * @throws {Error} for an import of a file that is not in `src/`, and for a circle of imports.
 */
export function structureOf(root: string): Structure {
  const src = join(root, "src");
  const imports = importsIn(src);
  const doors = doorsIn(src);
  const rooms = roomsOf(imports);
  return {
    files: imports.size,
    rooms: rooms.map((name) => {
      const files = [...imports.keys()].filter((file) => isIn(file, name));
      return { name, files: files.length, chain: longestChain(imports, name), door: doors.get(name) };
    }),
    unreachable: unreachableIn(imports, entryFilesOf(root)),
    pastDoors: pastDoors(imports, doors),
    falseDoors: [...doors].flatMap(([folder, files]) =>
      files
        .filter((file) => !imports.has(posix.join(folder, file)))
        .map((file) => `${folder}/README.md names ${file}, which does not exist`),
    ),
    unexplained: rooms.filter((name) => !existsSync(join(src, name, "README.md"))),
  };
}

function importsIn(src: string): Imports {
  const files = new Set(globSync("**/*.ts", { cwd: src }).map((file) => file.replaceAll(sep, "/")));
  return new Map(
    [...files].sort().map((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), "utf8"), true, false);
      const imported = importedFiles
        .filter(({ fileName }) => fileName.startsWith("."))
        .map(({ fileName }) => posix.join(posix.dirname(file), fileName));
      for (const target of imported) if (!files.has(target)) throw new Error(`${file} imports ${target}: not in src/.`);
      return [file, [...new Set(imported)]];
    }),
  );
}

const isIn = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);

function roomsOf(imports: Imports): string[] {
  const rooms = [...imports.keys()].flatMap((file) => {
    const [folder, ...rest] = posix.dirname(file).split("/");
    if (folder === undefined || folder === ".") return [];
    const [inner] = rest;
    return houses.includes(folder) && inner !== undefined ? [folder, `${folder}/${inner}`] : [folder];
  });
  return [...new Set(rooms)].sort();
}

function unreachableIn(imports: Imports, entries: readonly string[]): string[] {
  const reached = new Set<string>();
  const reach = (file: string): void => {
    const imported = imports.get(file);
    if (imported === undefined) throw new Error(`package.json names src/${file}, which does not exist.`);
    if (reached.has(file)) return;
    reached.add(file);
    imported.forEach(reach);
  };
  entries.forEach(reach);
  return [...imports.keys()].filter((file) => !reached.has(file));
}

/** The longest chain of imports whose files are all in the room; of several, the first in the order of the alphabet. */
function longestChain(imports: Imports, room: string): string[] {
  const chains = new Map<string, readonly string[]>();
  const chainFrom = (file: string, path: readonly string[]): readonly string[] => {
    const known = chains.get(file);
    if (known !== undefined) return known;
    if (path.includes(file)) throw new Error(`A circle of imports: ${[...path, file].join(" > ")}`);
    const next = (imports.get(file) ?? []).filter((target) => isIn(target, room));
    const chain = [file, ...longest(next.map((target) => chainFrom(target, [...path, file])))];
    chains.set(file, chain);
    return chain;
  };
  const files = [...imports.keys()].filter((file) => isIn(file, room));
  return longest(files.map((file) => chainFrom(file, []))).map((file) => posix.relative(room, file));
}

const longest = (chains: readonly (readonly string[])[]): readonly string[] =>
  chains.reduce((best, chain) => (chain.length > best.length ? chain : best), []);

/** The doors by folder. */
function doorsIn(src: string): ReadonlyMap<string, readonly string[]> {
  const doors = new Map<string, readonly string[]>();
  for (const readme of globSync("**/README.md", { cwd: src }).sort()) {
    const lines = readFileSync(join(src, readme), "utf8").split("\n");
    const door = lines.find((line) => line.startsWith(DOOR));
    if (door === undefined) continue;
    const files = door.slice(DOOR.length).split(",");
    doors.set(
      dirname(readme).replaceAll(sep, "/"),
      files.map((file) => file.replaceAll("`", "").trim()),
    );
  }
  return doors;
}

function pastDoors(imports: Imports, doors: ReadonlyMap<string, readonly string[]>): string[] {
  const past: string[] = [];
  for (const [file, imported] of imports) {
    for (const target of imported) {
      for (const [folder, open] of doors) {
        if (isIn(file, folder) || !isIn(target, folder) || open.includes(posix.relative(folder, target))) continue;
        past.push(`${file} imports ${target} past the door of ${folder}/`);
      }
    }
  }
  return past;
}

if (import.meta.main) {
  const { files, rooms, unreachable, pastDoors, falseDoors, unexplained } = structureOf(
    resolve(import.meta.dirname, ".."),
  );
  const width = Math.max(...rooms.map(({ name }) => name.length));
  console.log(`${"room".padEnd(width)}  files  longest chain within it`);
  for (const { name, files, chain } of rooms)
    console.log(
      `${name.padEnd(width)}  ${String(files).padStart(5)}  ${String(chain.length).padStart(2)}: ${chain.join(" > ")}`,
    );
  console.log(`${"src".padEnd(width)}  ${String(files).padStart(5)}`);
  const list = (title: string, items: readonly string[]): void =>
    console.log(`\n${title}: ${items.length === 0 ? "none" : ["", ...items].join("\n  ")}`);
  list("Files that no entry point reaches", unreachable);
  list("Imports past a door", pastDoors);
  list("Doors that name what does not exist", falseDoors);
  list("Rooms without a README.md", unexplained);
}
