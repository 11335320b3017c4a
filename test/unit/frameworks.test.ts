import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { withTable } from "../../scripts/frameworks.ts";
import { cases, frameworksOfDay, frameworksTable, readFrameworks } from "../frameworks/framework.ts";
import { root } from "../support/run.ts";

describe("the frameworks of a day", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const day = (n: number): Date => new Date(Date.UTC(2026, 10, 1 + n, 12));

  test("are the same for the whole day, in every time zone", () => {
    const [first, last] = [new Date("2026-11-28T00:00:00Z"), new Date("2026-11-28T23:59:59Z")];
    expect(frameworksOfDay(names, first)).toEqual(frameworksOfDay(names, last));
    expect(frameworksOfDay(names, first)).not.toEqual(frameworksOfDay(names, new Date("2026-11-29T00:00:00Z")));
  });

  test("are three different ones, and all within as few days as possible", () => {
    for (let n = 0; n < 50; n += 1) {
      expect(new Set(frameworksOfDay(names, day(n))).size).toBe(3);
      const threeDays = [n, n + 1, n + 2].flatMap((one) => frameworksOfDay(names, day(one)));
      expect(new Set(threeDays).size).toBe(names.length);
    }
  });

  test("are all, if there are fewer than three", () => {
    expect(frameworksOfDay(["a", "b"], day(0)).sort()).toEqual(["a", "b"]);
  });
});

describe("the table of frameworks", () => {
  const frameworks = readFrameworks();

  test("has a cell for each framework and case", () => {
    const rows = frameworksTable(frameworks).split("\n\n")[0]?.split("\n") ?? [];
    expect(rows).toHaveLength(2 + frameworks.length);
    for (const row of rows) expect(row.split(" | ")).toHaveLength(1 + Object.keys(cases).length);
  });

  test("is that of docs/frameworks.md", () => {
    const document = readFileSync(join(root, "docs/frameworks.md"), "utf8");
    expect(withTable(document, frameworksTable(frameworks))).toBe(document);
  });

  test("names the limits of a framework below it", () => {
    const [first] = frameworks;
    if (first === undefined) expect.fail("there is no framework");
    const limited = { ...first, without: {}, limits: { drain: "It never ends." } };
    expect(frameworksTable([limited])).toMatch(/\| limit 1 \|\n\n1\. .*: It never ends\.$/);
  });
});
