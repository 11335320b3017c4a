import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sourceKinds, type EventSourceCase, type SourceKind } from "../support/event-source/case.ts";
import { eventSourceCases } from "../support/event-source/cases.ts";
import type { CaseRequest, CaseResult } from "../support/event-source/page.ts";
import { eventSourceSite, type EventSourceSite } from "../support/event-source/site.ts";
import { root } from "../support/run.ts";
import { holds } from "../support/client-site.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

/** The cases that run at a time: each may use two of the six connections of a browser to one host. */
const AT_ONCE = 2;

const wires = ["sse", "ndjson"] as const;

/** The cases that a kind of source runs. */
const casesOf = (kind: SourceKind): EventSourceCase[] =>
  eventSourceCases.filter(({ isAboutBytes }) => kind !== "ndjson" || isAboutBytes !== true);

/** The outcome that a case must have. */
function outcomeOf({ expected, instead }: EventSourceCase, kind: SourceKind): unknown {
  const differs = kind === "EventSource" ? undefined : instead?.[kind];
  return differs ?? expected;
}

/** The wires on which a case differs, as the table in docs/event-source.md names them. */
function differsOn({ instead = {} }: EventSourceCase): string {
  const on = wires.filter((wire) => wire in instead);
  return on.length === 2 ? "both" : on.map((wire) => `\`${wire}\``).join();
}

const document = readFileSync(join(root, "docs/event-source.md"), "utf8");

test("documents each difference from EventSource, and no other", () => {
  const rows = Array.from(
    document.matchAll(/^\| (?<name>[^|]+) \| (?<on>both|`sse`|`ndjson`) \| [^|]+ \|$/gm),
    ({ groups }) => `${groups?.["name"]}: ${groups?.["on"]}`,
  );
  const differences = eventSourceCases.filter(differsOn).map((each) => `${each.name}: ${differsOn(each)}`);
  expect(rows.sort()).toEqual(differences.sort());
});

test("documents the number of cases with the same result", () => {
  for (const wire of wires) {
    const all = casesOf(wire);
    const same = all.filter(({ instead = {} }) => !(wire in instead)).length;
    expect(document).toContain(`${same} of ${wire === "sse" ? "the " : ""}${all.length}`);
  }
});

test("gives each case a name of its own, and each difference another outcome", () => {
  expect(new Set(eventSourceCases.map(({ name }) => name)).size).toBe(eventSourceCases.length);
  for (const { name, expected, instead = {} } of eventSourceCases)
    for (const outcome of Object.values(instead)) expect(outcome, name).not.toEqual(expected);
});

describe.each(browserNames)("in %s", (browser) => {
  const used = useBrowser(browser);
  let site: EventSourceSite;
  const results: Record<string, CaseResult> = {};
  const keyOf = (index: number, kind: SourceKind): string => `${index}-${kind}-${browser}`;

  beforeAll(async () => {
    site = await eventSourceSite(eventSourceCases);
    await used.page.goto(`${site.origin}/`);
    await holds(used.page, "globalThis.runAll && document.readyState === 'complete'");
    const requests: CaseRequest[] = sourceKinds.flatMap((kind) =>
      casesOf(kind).map((each) => {
        const index = eventSourceCases.indexOf(each);
        const path = `/run/${index}/${kind}/${keyOf(index, kind)}/`;
        const [base, other] = [site.origin + path, site.other + path];
        return { key: keyOf(index, kind), base, other, kind, context: each.context ?? "window" };
      }),
    );
    Object.assign(results, await used.page.evaluate(`runAll(${JSON.stringify(requests)}, ${AT_ONCE})`));
  });
  afterAll(() => site.close());

  describe.each(sourceKinds)("%s", (kind) => {
    test.each(casesOf(kind))("$name", (each) => {
      const result = results[keyOf(eventSourceCases.indexOf(each), kind)];
      // The browser itself fails it. Once it passes, it must not be listed any more.
      if (each.failing?.[browser]?.includes(kind) === true) expect(result).not.toEqual({ value: each.expected });
      else expect(result).toEqual({ value: outcomeOf(each, kind) });
    });
  });
});
