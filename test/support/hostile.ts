import fc from "fast-check";
import type { JsonValue } from "../../src/index.ts";

const fragments = [
  "</script",
  "</script>",
  "</ScRiPt >",
  "<script",
  "<script>",
  "<!--",
  "-->",
  "--!>",
  "<!--<script>",
  "]]>",
  "<![CDATA[",
  "\u2028",
  "\u2029",
  "\0",
  "\r\n",
  "\n",
  "\t",
  "\\",
  "'",
  '"',
  "`",
  "${",
  "//",
  "/*",
  "*/",
  "&lt;",
  "&#39;",
  "&",
  "<",
  ">",
  "\ud800",
  "\udfff",
  "\ufeff",
  "\ufffd",
  "\x7f",
  "\x80",
  "😀",
  "__proto__",
  "constructor",
  "javascript:alert(1)",
  ");alert(1);(",
  "\\u003c",
  "\\x3c",
];

/** Strings over all of Unicode, lone surrogates included, and made of what is dangerous in HTML and JavaScript. */
export const hostileString: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 }).map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 3 })), { maxLength: 6 })
    .map((parts) => parts.join("")),
);

const hostileKey = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "toJSON", "", "0", "</script>", "length"),
  hostileString,
);

const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(
      hostileString,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(null, -0),
    ),
    fc.array(tie("value"), { maxLength: 4 }),
    // Object.fromEntries makes `__proto__` a key like any other.
    fc.array(fc.tuple(hostileKey, tie("value")), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

/** Nested JSON with hostile keys and strings. */
export const hostileJson: fc.Arbitrary<JsonValue> = json;

/** A message of a comet socket. */
export const hostileMessage: fc.Arbitrary<JsonValue> = fc.oneof(hostileString, hostileJson);
