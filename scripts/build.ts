/** Compiles `src/` to `dist/`, from nothing, and makes the client that a script tag loads out of it. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
process.exitCode = status ?? 1;
if (status === 0) {
  await build({
    entryPoints: ["src/client/index.ts"],
    outfile: "dist/client.global.js",
    bundle: true,
    minify: true,
    sourcemap: true,
    // The package has them: the map names them where they are.
    sourcesContent: false,
    target: "es2022",
    format: "iife",
    globalName: "Comet",
  });
}
