import { readFileSync } from "node:fs";

/** The kernel's memory for its own objects, sockets among them, in bytes. Other processes of the machine change it too. */
export function slabBytes(): number {
  const [, kibibytes] = /^Slab:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}
