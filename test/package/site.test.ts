import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { buildSite, deadLinksIn } from "../../scripts/docs.ts";
import { root } from "../support/run.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "comet-site-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

test("builds a site with the guides, the reference and a search over both, without a dead link", async () => {
  await buildSite(root, folder);
  expect(deadLinksIn(folder)).toEqual([]);
  for (const page of ["index", "documents/deployment", "documents/PROTOCOL", "modules/comet-sockets_client"]) {
    expect(readFileSync(join(folder, `${page}.html`), "utf8")).toContain("</html>");
  }
  const [, index = ""] = /"([^"]+)"/.exec(readFileSync(join(folder, "assets/search.js"), "utf8")) ?? [];
  const { rows } = JSON.parse(inflateSync(Buffer.from(index, "base64")).toString()) as { rows: { name: string }[] };
  const names = rows.map(({ name }) => name);
  for (const name of ["Deployment", "nodeHandler", "heartbeatMs", "CometSource"]) expect(names).toContain(name);
});

test("reports links to missing files and places as dead", () => {
  mkdirSync(join(folder, "a"));
  writeFileSync(join(folder, "a/b.html"), `<p id="place"><a href="#place">1</a><a href="#none">2</a>`);
  writeFileSync(
    join(folder, "index.html"),
    `<a href="a/b.html">1</a><a href="a/b.html#place">2</a><a href="https://example.com/x">3</a>
     <a href="a/b.html#none">4</a><a href="a/c.html">5</a><a href="a">6</a><img src="picture.svg">`,
  );
  expect(deadLinksIn(folder)).toEqual([
    { page: "a/b.html", href: "#none" },
    { page: "index.html", href: "a/b.html#none" },
    { page: "index.html", href: "a/c.html" },
    { page: "index.html", href: "a" },
    { page: "index.html", href: "picture.svg" },
  ]);
});
