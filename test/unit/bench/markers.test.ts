import { expect, test } from "vitest";
import { writeParts } from "../../../bench/performance/markers.ts";

test("writes a part between its comments, on lines of its own", () => {
  const text = "# A\n\n<!-- bench speed -->\n<!-- /bench speed -->\n\nEnd.\n";
  const written = writeParts(text, { speed: "| a |\n| --- |\n" });
  expect(written).toBe("# A\n\n<!-- bench speed -->\n\n| a |\n| --- |\n\n<!-- /bench speed -->\n\nEnd.\n");
  // Again, with another text.
  expect(writeParts(written, { speed: "new" })).toBe(
    "# A\n\n<!-- bench speed -->\n\nnew\n\n<!-- /bench speed -->\n\nEnd.\n",
  );
});

test("writes parts within a line, which may hold characters of a pattern", () => {
  const text = "| cpu | <!-- bench a -->9 µs<!-- /bench a --> | <!-- bench b --><!-- /bench b --> |";
  expect(writeParts(text, { a: "1 $& µs", b: "2" })).toBe(
    "| cpu | <!-- bench a -->1 $& µs<!-- /bench a --> | <!-- bench b -->2<!-- /bench b --> |",
  );
});

test("leaves a text as it is if its parts are the same", () => {
  const text = writeParts("<!-- bench a -->\n<!-- /bench a -->\nx <!-- bench b --><!-- /bench b -->", {
    a: "1\n2",
    b: "3",
  });
  expect(writeParts(text, { a: "1\n2", b: "3" })).toBe(text);
});

test.each([
  ["has no place", "text"],
  ["has no end", "<!-- bench a -->"],
  ["has no beginning", "<!-- /bench a -->"],
  ["ends before it begins", "<!-- /bench a --> <!-- bench a -->"],
  ["has two places", "<!-- bench a --><!-- /bench a --><!-- bench a --><!-- /bench a -->"],
])("throws if a part %s", (_, text) => {
  expect(() => writeParts(text, { a: "1" })).toThrow(RangeError);
});

test("throws if nothing writes a place of the text", () => {
  const text = "<!-- bench a --><!-- /bench a --><!-- bench other --><!-- /bench other -->";
  expect(() => writeParts(text, { a: "1" })).toThrow(/"other"/);
});
