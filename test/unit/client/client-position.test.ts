import { expect, test } from "vitest";
import { ClientPosition } from "../../../src/client/client-position.ts";

test.each([
  "",
  "a",
  "a=e",
  "a=e.",
  "=e.1",
  "a.1",
  "a.1=e",
  "a=e.-1",
  "a=e.01",
  "a=e. 1",
  "a=e.0x1",
  "a=e.1e3",
  "a=e.NaN",
  "a=e.1.x",
  "a=e.99999999999999999999999",
])("refuses %j as a topic-position", (part) => {
  const position = new ClientPosition("a=e.5");
  expect(() => position.keep(part)).toThrow(SyntaxError);
  expect(() => position.since(part)).toThrow(SyntaxError);
  expect(String(position)).toBe("a=e.5");
});

test("keeps the newest topic-position of each topic as it was received", () => {
  const position = new ClientPosition("a%20b=e.9,c.d=f.0");
  expect([position.keep("a%20b=e.9"), position.keep("a%20b=e.8"), position.keep("c.d=f.9007199254740991")]).toEqual([
    false,
    false,
    true,
  ]);
  expect(String(position)).toBe("a%20b=e.9,c.d=f.9007199254740991");
  expect(position.keep("a%20b=e.10")).toBe(true);
  expect(position.keep("a%20b=e2.3")).toBe(true);
  expect(position.keep("c.d=f.1", true)).toBe(true);
  expect(String(position)).toBe("a%20b=e2.3,c.d=f.1");
});

test("counts the messages since a topic-position of the same topic and epoch", () => {
  const position = new ClientPosition("a=e.10");
  expect(["a=e.7", "a=e.12", "a=f.7", "a=e2.7", "b=e.7"].map((part) => position.since(part))).toEqual([
    3,
    -2,
    NaN,
    NaN,
    NaN,
  ]);
});
