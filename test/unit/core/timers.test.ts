import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { unrefInterval, unrefTimeout } from "../../../src/core/timers.ts";

const file = new URL("../../../src/core/timers.ts", import.meta.url).href;

/** Runs a program in a process of its own until that ends. Rejects, and kills the process, if it does not. */
async function runProgram(program: string): Promise<string> {
  const timers = `const { unrefInterval, unrefTimeout } = await import(${JSON.stringify(file)});`;
  const args = ["--input-type=module", "-e", `${timers}\n${program}`];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  return stdout;
}

afterEach(() => void vi.restoreAllMocks());

describe.each([
  ["unrefTimeout", "setTimeout", unrefTimeout],
  ["unrefInterval", "setInterval", unrefInterval],
] as const)("%s", (name, plain, start) => {
  test("runs the task", async () => {
    let timer: ReturnType<typeof start> | undefined;
    await new Promise<void>((resolve) => (timer = start(resolve, 1)));
    clearInterval(timer);
  });

  test("does not keep a process alive", async () => {
    const output = await runProgram(`${name}(() => console.log("fired"), 2_147_483_647); console.log("over");`);
    expect(output).toBe("over\n");
  });

  test("returns a plain timer where timers are numbers", () => {
    vi.spyOn(globalThis, plain).mockReturnValue(7 as never);
    expect(start(() => undefined, 1)).toBe(7);
  });
});

test("repeats an interval until it is cleared", async () => {
  let count = 0;
  await new Promise<void>((resolve) => {
    const timer = unrefInterval(() => {
      count += 1;
      if (count < 3) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  expect(count).toBe(3);
});
