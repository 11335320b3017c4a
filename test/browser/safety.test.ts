import fc from "fast-check";
import { expect, test } from "vitest";
import { sendChunked } from "../../src/adapters/node/index.ts";
import { comet, Enumerator, html, type JsonValue } from "../../src/index.ts";
import { hostileMessage } from "../support/hostile.ts";
import { serve } from "../support/servers.ts";
import { openPage } from "../support/use-browser.ts";

/** A page's report on its messages: those that differ from the sent ones, and any other effect. */
interface Verdict {
  readonly received: number;
  readonly wrong: readonly number[];
  readonly elements: number;
}

const page = html`<!doctype html>
<meta charset="utf-8">
<script>
  var received = [];
  var cometMessage = function (message) { received.push(message); };
  var same = function (a, b) {
    if (Object.is(a, b)) return true;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    var realm = document.querySelector("iframe").contentWindow;
    var prototype = Array.isArray(a) ? realm.Array.prototype : realm.Object.prototype;
    if (Object.getPrototypeOf(a) !== prototype) return false;
    var keys = Object.keys(b);
    return Object.keys(a).length === keys.length && keys.every(function (key) { return Object.hasOwn(a, key) && same(a[key], b[key]); });
  };
</script>
<iframe src="/comet"></iframe>`;

test("delivers 5,000 hostile messages to Chromium unchanged", async () => {
  const messages: JsonValue[] = fc.sample(hostileMessage, { numRuns: 5000, seed: 20261123 });
  const { origin } = await serve((response) => {
    const { url } = response.req;
    if (url === "/comet")
      void sendChunked(response, Enumerator.from(messages).through(comet({ callback: "parent.cometMessage" })));
    // JSON.stringify would write -0 as 0.
    else if (url === "/expected") void sendChunked(response, Enumerator.of(withNegativeZero(messages)));
    else void sendChunked(response, Enumerator.of(page));
  });
  await using tab = await openPage("chromium");
  await tab.goto(origin);
  const verdict = await tab.evaluate<Verdict>(`new Promise((resolve) => {
    // The page has loaded when its frame has.
    const finished = async () => {
      const frame = document.querySelector("iframe");
      const expected = JSON.parse(await (await fetch("/expected")).text(), (_, value) => (value === "-0 " ? -0 : value));
      resolve({
        received: received.length,
        wrong: expected.flatMap((value, i) => (same(received[i], value) ? [] : [i])),
        elements: frame.contentDocument.body.querySelectorAll(":not(script)").length,
      });
    };
    if (document.readyState === "complete") finished();
    else window.addEventListener("load", finished);
  })`);
  expect(verdict).toEqual({ received: 5000, wrong: [], elements: 0 });
  // Uncaught errors would appear here.
  expect(tab.console).toEqual([]);
});

/** JSON in which -0 is the string "-0 ", which the generator does not make. */
function withNegativeZero(messages: readonly JsonValue[]): string {
  return JSON.stringify(messages, (_, value: unknown) => (Object.is(value, -0) ? "-0 " : value));
}
