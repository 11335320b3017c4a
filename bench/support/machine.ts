import { cpus } from "node:os";

/** What the figures were measured on. Only the ratios within one run mean anything elsewhere. */
export function machine(): { readonly node: string; readonly cpu: string; readonly cores: number } {
  const all = cpus();
  return { node: process.version, cpu: all[0]?.model.trim() ?? "unknown", cores: all.length };
}
