import { expect, test } from "vitest";
import { checkCallback, checkNonce, scriptFrame } from "../../../src/wire/script-frame.ts";
import { expectCode } from "../../support/sources.ts";

test.each(["console.log", "parent.cometMessage", "$", "_a.b$1", "parent.delete", "a".repeat(128)])(
  "callback %s",
  (callback) => {
    expect(checkCallback(callback)).toBe(callback);
  },
);

test.each([
  "",
  " ",
  "a b",
  "a.",
  ".a",
  "a..b",
  "1a",
  "a-b",
  "a()",
  "a[0]",
  "alert(1);//",
  "</script>",
  "a\n",
  "a.b;",
  "ünï",
  "a\u2028",
  "return",
  "new.target",
  "this.x",
  "delete",
  "a".repeat(129),
  undefined,
  null,
  5,
  {},
  ["a"],
])("callback %j is refused", async (callback) => {
  await expectCode("ERR_CALLBACK", () => checkCallback(callback), /dotted path of identifiers/);
});

test.each(["abc", "r4nd0m+/==", "url-safe_1=", "A".repeat(256)])("nonce %s", (nonce) => {
  expect(checkNonce(nonce)).toBe(nonce);
});

test.each(["", "a b", 'a"', "a'", "a>", "===", "a===", "=a", "é", "a\n", "A".repeat(257), undefined, null, 7])(
  "nonce %j is refused",
  async (nonce) => {
    await expectCode("ERR_NONCE", () => checkNonce(nonce), /base64/);
  },
);

test("a frame is the script around a literal", () => {
  expect(scriptFrame("console.log", undefined)).toEqual({ before: "<script>console.log(", after: ");</script>" });
  expect(scriptFrame("f", "bm9uY2U=").before).toBe('<script nonce="bm9uY2U=">f(');
});
