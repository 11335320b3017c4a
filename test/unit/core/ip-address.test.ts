import { describe, expect, test } from "vitest";
import {
  addressKey,
  isInRange,
  parseHostAddress,
  parseIpAddress,
  parseIpRanges,
  type IpAddress,
} from "../../../src/core/ip-address.ts";
import { expectCode } from "../../support/sources.ts";

const parsed = (text: string): IpAddress => parseIpAddress(text) ?? expect.fail(`${text} is an address`);

describe("parseIpAddress", () => {
  test.each([
    ["192.0.2.1", [0xc000, 0x0201]],
    ["0.0.0.0", [0, 0]],
    ["255.255.255.255", [0xffff, 0xffff]],
    ["::", [0, 0, 0, 0, 0, 0, 0, 0]],
    ["::1", [0, 0, 0, 0, 0, 0, 0, 1]],
    ["1::", [1, 0, 0, 0, 0, 0, 0, 0]],
    ["2001:db8::8:800:200C:417a", [0x2001, 0xdb8, 0, 0, 8, 0x800, 0x200c, 0x417a]],
    ["1:2:3:4:5:6:7:8", [1, 2, 3, 4, 5, 6, 7, 8]],
    ["1:2:3:4:5:6:7::", [1, 2, 3, 4, 5, 6, 7, 0]],
    ["64:ff9b::192.0.2.1", [0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x0201]],
    ["fe80::1%eth0", [0xfe80, 0, 0, 0, 0, 0, 0, 1]],
    ["::ffff:192.0.2.1", [0xc000, 0x0201]],
    ["::FFFF:c000:201", [0xc000, 0x0201]],
    ["0:0:0:0:0:ffff:192.0.2.1", [0xc000, 0x0201]],
  ])("reads %s", (text, groups) => {
    expect(parseIpAddress(text)).toEqual(groups);
  });

  test.each([
    "",
    " ",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    "1.2.3.4:80",
    "0x7f.1",
    "１.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::12345",
    "::g",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "[::1]",
    "fe80::1%",
    "localhost",
    "unknown",
    `::${"0".repeat(100_000)}`,
  ])("rejects %j", (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });
});

test.each([
  ["192.0.2.1:4711", "192.0.2.1"],
  ["[2001:db8::1]", "2001:db8::1"],
  ["[2001:db8::1]:443", "2001:db8::1"],
  ["[::ffff:192.0.2.1]:1", "192.0.2.1"],
  ["2001:db8::1", "2001:db8::1"],
])("parseHostAddress reads %s", (text, address) => {
  expect(parseHostAddress(text)).toEqual(parsed(address));
});

test.each(["[192.0.2.1]", "[::1", "::1]", "[::1]:", "[::1]:x", "1.2.3.4:", "1.2.3.4:123456", "[]", "_hidden"])(
  "parseHostAddress rejects %j",
  (text) => {
    expect(parseHostAddress(text)).toBeUndefined();
  },
);

test.each([
  ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["9.255.255.255", "11.0.0.0", "::a00:0"]],
  ["10.1.2.3/8", ["10.9.9.9"], ["11.1.2.3"]],
  ["192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127"]],
  ["192.0.2.1", ["192.0.2.1"], ["192.0.2.2"]],
  ["0.0.0.0/0", ["1.2.3.4"], ["::1"]],
  ["::/0", ["::1", "ffff::"], ["1.2.3.4"]],
  ["fd00::/8", ["fd00::1", "fdff::"], ["fe00::"]],
  ["2001:db8::/33", ["2001:db8:7fff::"], ["2001:db8:8000::"]],
  ["::1", ["::1"], ["::2", "127.0.0.1"]],
  ["::ffff:10.0.0.0/104", ["10.2.3.4"], ["11.2.3.4"]],
])("the range %s has %j, and not %j", (range, inside, outside) => {
  const [only] = parseIpRanges("x", [range]);
  if (only === undefined) expect.fail("a range");
  for (const address of inside) expect([address, isInRange(parsed(address), only)]).toEqual([address, true]);
  for (const address of outside) expect([address, isInRange(parsed(address), only)]).toEqual([address, false]);
});

test.each([
  "10.0.0.0/33",
  "::/129",
  "10.0.0.0/",
  "10.0.0.0/-1",
  "10.0.0.0/8/8",
  "10.0.0.0/255.0.0.0",
  "::ffff:10.0.0.0/8",
  "10.0.0/8",
  "loopback",
  "",
  "/8",
  8,
  null,
  undefined,
  ["10.0.0.0/8"],
])("the range %j is rejected with ERR_OPTION", async (range) => {
  await expectCode("ERR_OPTION", () => parseIpRanges("trustedProxies", [range]), /trustedProxies/);
});

test("counts an IPv4 address alone, and an IPv6 address with its /64", () => {
  expect(addressKey(parsed("192.0.2.1"))).toBe("192.0.2.1");
  expect(addressKey(parsed("::ffff:192.0.2.1"))).toBe("192.0.2.1");
  expect(addressKey(parsed("2001:db8:1:2:3:4:5:6"))).toBe("2001:db8:1:2::/64");
  expect(addressKey(parsed("2001:db8:1:2::9"))).toBe("2001:db8:1:2::/64");
  expect(addressKey(parsed("2001:db8:1:3::9"))).not.toBe("2001:db8:1:2::/64");
});
