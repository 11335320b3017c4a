import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import * as client from "../../src/client/index.ts";
import { serveHub } from "../support/hub.ts";
import { root, run } from "../support/run.ts";
import { until } from "../support/sources.ts";

const path = join(root, "dist/client.global.js");

/** The globals of a page after a tag has loaded the script. */
function loaded(globals: object): { readonly Comet: typeof client } {
  const page = vm.createContext({ ...globals });
  vm.runInContext(readFileSync(path, "utf8"), page);
  return page as ReturnType<typeof loaded>;
}

const names = [
  "BareSource",
  "CometSource",
  "EventStreamError",
  "acrossTabs",
  "asText",
  "batches",
  "comet",
  "defineCometSource",
  "fetchEvents",
  "firstOf",
  "logTo",
  "logWire",
  "ndjson",
  "poll",
  "postedComet",
  "sse",
  "withHeaders",
];
const web = {
  AbortController,
  Event,
  EventTarget,
  Headers,
  MessageChannel,
  MessageEvent,
  TextDecoder,
  URL,
  clearTimeout,
  fetch,
  performance,
  queueMicrotask,
  setTimeout,
};

test("defines one global in the script, with all exports of the client", () => {
  const before = Object.keys(web).sort();
  const page = loaded(web);
  expect(Object.keys(page).sort()).toEqual([...before, "Comet"].sort());
  expect(Object.keys(page.Comet).sort()).toEqual(names);
  expect(Object.keys(client).sort()).toEqual(names);
});

test("follows a hub with the script's client", async () => {
  const { hub, origin } = await serveHub();
  const { Comet } = loaded(web);
  const source = new Comet.CometSource<{ message: string }>(`${origin}/?topic=a`);
  const data: string[] = [];
  let open = false;
  source.onmessage = (event) => void data.push(event.data);
  source.onopen = () => void (open = true);
  await until(() => open);
  await hub.topic("a").publish("hello");
  await until(() => data.length === 1);
  source.close();
  expect(data).toEqual(["hello"]);
});

test("follows a hub with the page of docs/client.md for a script tag", async () => {
  const html = Array.from(readFileSync(join(root, "docs/client.md"), "utf8").matchAll(/^```html\n(.*?)^```$/gms))
    .map(([, snippet = ""]) => snippet)
    .find((snippet) => snippet.includes("client.global.js"));
  const [, code = ""] = /<script>\n(.*?)<\/script>/s.exec(html ?? "") ?? [];
  const { hub, origin, opened } = await serveHub();
  const logged: unknown[] = [];
  const defined: string[] = [];
  const page = loaded({
    ...web,
    console: { log: (value: unknown) => logged.push(value) },
    customElements: { get: () => undefined, define: (name: string) => defined.push(name) },
    HTMLElement: EventTarget,
    location: { href: `${origin}/news/` },
  });
  const { CometSource } = page.Comet;
  const Closed = class extends CometSource {
    constructor(url: string) {
      super(url);
      onTestFinished(() => this.close());
    }
  };
  Object.assign(page, { Comet: { ...page.Comet, CometSource: Closed } });
  vm.runInContext(code, page);
  await until(() => opened.length === 1);
  await hub.topic("news").publish({ title: "Comet returns" });
  await until(() => logged.length === 1);
  expect([logged, defined]).toEqual([["Comet returns"], ["comet-source"]]);
});

test("minifies the script, whose map names the sources of the package", () => {
  const text = readFileSync(path, "utf8");
  expect(text).toMatch(/\/\/# sourceMappingURL=client\.global\.js\.map\s*$/);
  const { sources } = JSON.parse(readFileSync(`${path}.map`, "utf8")) as { sources: string[] };
  expect(sources).toContain("../src/client/bare-source.ts");
  const files = sources.map((source) => readFileSync(join(root, "dist", source), "utf8"));
  expect(text.length).toBeLessThan(files.join("").length / 2);
});

test.each([["comet-sockets/client", names]])("imports %s without a page", async (name, exported) => {
  const code = `const client = await import("${name}"); client.defineCometSource(); console.log(Object.keys(client).sort().join());`;
  expect(await run(process.execPath, ["--input-type=module", "-e", code])).toBe(`${exported.join()}\n`);
});

test("marks the React module as one of the client, so that a server component that uses it fails with its name", () => {
  expect(readFileSync(join(root, "dist/client/bindings/react.js"), "utf8")).toMatch(/^"use client";\n/);
});
