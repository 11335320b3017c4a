import fc from "fast-check";
import { expect, test } from "vitest";
import { checkTopicName, parsePositions, positionPrefix } from "../../../src/log/position.ts";
import { expectCode } from "../../support/sources.ts";

test("reads the offset in each topic from a position", () => {
  expect([...parsePositions("news=k3.17,user%3A4%2C2=Z.0", 100)]).toEqual([
    ["news", { epoch: "k3", offset: 17 }],
    ["user:4,2", { epoch: "Z", offset: 0 }],
  ]);
});

test("returns any topic name unchanged", () => {
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 200 }).filter((text) => {
    try {
      return checkTopicName(text) === text;
    } catch {
      return false;
    }
  });
  fc.assert(
    fc.property(name, name, fc.maxSafeNat(), (a, b, offset) => {
      fc.pre(a !== b);
      const position = `${positionPrefix(a, "e1")}${offset},${positionPrefix(b, "e2")}0`;
      const parsed = parsePositions(position, Infinity);
      expect([...parsed]).toEqual([
        [a, { epoch: "e1", offset }],
        [b, { epoch: "e2", offset: 0 }],
      ]);
    }),
  );
});

test.each([
  "",
  ",",
  "news",
  "news=",
  "=e.1",
  "news=e",
  "news=e.",
  "news=.1",
  "news=e.01",
  "news=e.-1",
  "news=e.1.2",
  "news=e.1,",
  "news=e.1,news=e.2",
  "news=e.9007199254740992",
  "news=e.99999999999999999",
  "new s=e.1",
  "news=e.1 ",
  "n%=e.1",
  "n%ff=e.1",
  "%00=e.1",
  "%0a=e.1",
  "%ED%A0%80=e.1",
  "néws=e.1",
  `news=${"e".repeat(33)}.1`,
  "news=é.1",
  "a=b=e.1",
  `${"x".repeat(201)}=e.1`,
])("rejects the position %j", async (text) => {
  await expectCode("ERR_POSITION", () => parsePositions(text, 10_000));
});

test("limits the length of a position", async () => {
  const position = "news=e.1";
  expect(parsePositions(position, position.length).size).toBe(1);
  await expectCode("ERR_POSITION", () => parsePositions(position, position.length - 1), /at most 7 characters, not 8/);
});

test.each(["", "a\n", "\0", "a\u007f", "\ud800", "x\udc00", "x".repeat(201), 5, undefined, null])(
  "rejects the topic name %j",
  async (name) => {
    await expectCode("ERR_TOPIC", () => checkTopicName(name));
  },
);
