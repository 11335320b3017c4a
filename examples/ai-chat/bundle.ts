import { build } from "esbuild";
import { join } from "node:path";

/** The folder of the page. */
export const folder = join(import.meta.dirname, "pages");

/** Bundles the page's script, with React and the SDK. */
export async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, "chat.tsx")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return outputFiles[0]?.text ?? "";
}
