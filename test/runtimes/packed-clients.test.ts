/** The `fetch` of each runtime reads compressed streams: each message at once, and the end of the body. */
import { spawn } from "node:child_process";
import { describe, expect, onTestFinished, test } from "vitest";
import { serveHub, streams } from "../support/hub.ts";
import { installedNode, nodeVersions } from "../support/installed-node.ts";
import { installedRuntime } from "../support/runtimes/install.ts";
import { until } from "../support/sources.ts";

/** Prints the coding of a response, each part of its text as it comes, and the end. */
const program = `
const response = await fetch(URL_OF_STREAM, { headers: { "accept-encoding": "gzip" } });
console.log("coding " + response.headers.get("content-encoding"));
const text = new TextDecoder();
for await (const bytes of response.body) console.log(text.decode(bytes, { stream: true }));
console.log("the end");
`;

const message = (i: number): string => `message ${i} of many, all of which are much alike`;

/** The commands that run a module given as text. */
const runtimes: readonly (readonly [name: string, command: (source: string) => Promise<readonly string[]>])[] = [
  ...nodeVersions.map((version) => {
    const command = async (source: string): Promise<readonly string[]> => [
      await installedNode(version),
      "--input-type=module",
      "--eval",
      source,
    ];
    return [`Node ${version}`, command] as const;
  }),
  ["Bun", async (source) => [await installedRuntime("bun"), "--eval", source]],
  ["Deno", async (source) => [await installedRuntime("deno"), "eval", source]],
];

describe.each(runtimes)("fetch of %s", (_, command) => {
  test.each(streams)("reads each message of a compressed stream on %s at once, and accepts its end", async (wire) => {
    const server = await serveHub({ compression: true });
    const url = `${server.origin}/?topic=a&wire=${wire}`;
    const [file = "", ...args] = await command(program.replace("URL_OF_STREAM", JSON.stringify(url)));
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const exited = new Promise((resolve) => child.on("exit", resolve));
    let output = "";
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    await until(() => output.includes("coding"));
    for (let i = 0; i < 5; i += 1) {
      await server.hub.topic("a").publish(message(i));
      await until(() => output.includes(message(i)));
    }
    await server.hub.close({ drainMs: 0 });
    expect(await exited).toBe(0);
    expect([output.includes("coding gzip"), output.includes("the end")]).toEqual([true, true]);
    expect(server.hub.stats().compression?.packed).toBeGreaterThan(0);
  });
});
