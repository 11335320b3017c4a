import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, onTestFinished, test } from "vitest";
import { VERSION } from "../../../src/core/version.ts";
import * as comet from "../../../src/index.ts";
import { Follower } from "../../support/hub.ts";
import { expectCode } from "../../support/sources.ts";
import { root } from "../../support/run.ts";

const { Hub, sharedHub } = comet;
type Hub = comet.Hub;
type Package = typeof comet;

/** Bundles the package into a module of its own, as a bundler does for each entry of an application. */
async function copyOfPackage(version = VERSION): Promise<Package> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "src/index.ts")],
    bundle: true,
    format: "esm",
    write: false,
    banner: { js: `// ${String(copies++)}` },
  });
  const code = outputFiles[0]?.text.replace(`VERSION = "${VERSION}"`, `VERSION = "${version}"`) ?? "";
  return (await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`)) as Package;
}
let copies = 0;

/** A name that no other test uses: shared hubs live as long as the process. */
const newName = (): string => `test ${String(names++)}`;
let names = 0;

const closeLater = (hub: Hub): Hub => {
  onTestFinished(() => hub.close({ drainMs: 0 }));
  return hub;
};

test("VERSION equals the version of package.json", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(VERSION).toBe(version);
});

describe("sharedHub", () => {
  test("returns the hub of the first call for each name", () => {
    const [name, other] = [newName(), newName()];
    const hub = sharedHub(name, () => closeLater(new Hub()));
    expect(sharedHub(name, () => expect.fail("a second hub"))).toBe(hub);
    expect(sharedHub(other, () => closeLater(new Hub()))).not.toBe(hub);
  });

  test("joins two copies of the package: what one publishes reaches the subscribers of the other", async () => {
    const [one, two] = [await copyOfPackage(), await copyOfPackage()];
    expect(one.Hub).not.toBe(two.Hub);
    const name = newName();
    const [first, second] = [one, two].map((copy) => copy.sharedHub(name, () => closeLater(new copy.Hub())));
    const live = two.fetchHandler(second as Hub);
    const follower = new Follower(await live(new Request("http://test/?topic=a&wire=ndjson")), new URLSearchParams());
    await follower.begun();
    await (first as Hub).topic("a").publish("kiki");
    expect((await follower.has(1)).data).toEqual(["kiki"]);
  });

  test("keeps a closed hub, so that a request during a shutdown does not create another", async () => {
    const name = newName();
    const hub = sharedHub(name, () => new Hub());
    await hub.close({ drainMs: 0 });
    expect(sharedHub(name, () => closeLater(new Hub()))).toBe(hub);
  });

  test("returns one promise to all callers of an async function", async () => {
    const name = newName();
    const create = (): Promise<Hub> => Promise.resolve(closeLater(new Hub()));
    const promise = sharedHub(name, create);
    expect(sharedHub(name, create)).toBe(promise);
    expect(await promise).toBeInstanceOf(Hub);
  });

  test("tries again after a function that has thrown or rejected", async () => {
    const name = newName();
    expect(() => sharedHub(name, () => expect.fail("no hub"))).toThrow("no hub");
    await expect(sharedHub(name, () => Promise.reject<Hub>(new Error("no broker")))).rejects.toThrow("no broker");
    const hub = closeLater(new Hub());
    expect(sharedHub(name, () => hub)).toBe(hub);
  });

  test("refuses the hub of another version of the package", async () => {
    const older = await copyOfPackage("0.0.1");
    const name = newName();
    older.sharedHub(name, () => closeLater(new older.Hub()));
    const message = /belongs to comet-sockets 0\.0\.1, and this is .*Install one version/;
    await expectCode("ERR_VERSION", () => sharedHub(name, () => new Hub()), message);
  });

  test.each([
    ["a name that is empty", "", () => new Hub()],
    ["a name that is too long", "x".repeat(201), () => new Hub()],
    ["a name that is no string", 7 as never, () => new Hub()],
    ["a hub in place of the function", "hub", new Hub() as never],
    ["a function without a hub", "nothing", (() => undefined) as never],
    ["a promise without a hub", "promise", (() => Promise.resolve({})) as never],
  ])("refuses %s", async (_, name, create) => {
    await expectCode("ERR_OPTION", () => sharedHub(name, create));
  });
});
