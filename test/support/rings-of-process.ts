import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The mappings and the descriptors of rings that this process has, in all of its threads. */
export function ringsOfProcess(): { readonly mappings: number; readonly descriptors: number } {
  const mappings = readFileSync("/proc/self/maps", "utf8").match(/\[io_uring\]/g)?.length ?? 0;
  const links = readdirSync("/proc/self/fd").map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      // It was closed meanwhile, as that of the folder itself.
      return "";
    }
  });
  return { mappings, descriptors: links.filter((link) => link.includes("[io_uring]")).length };
}
