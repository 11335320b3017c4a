import { describe, expect, test } from "vitest";
import { addressKey, parseIpAddress, parseIpRanges } from "../../../../src/core/ip-address.ts";
import { clientAddress } from "../../../../src/hub/admission/client-address.ts";

const trusted = ["10.0.0.0/8", "fd00::/8"];

/** The address that the hub counts for a request from `peer` with these headers. */
function addressOf(peer: string, headers: Record<string, string>, proxies: readonly string[] = trusted): string {
  const request = { method: "GET", url: "/", headers: new Headers(headers) };
  const address = parseIpAddress(peer) ?? expect.fail("an address");
  return addressKey(clientAddress(request, address, parseIpRanges("trustedProxies", proxies)));
}

const plain = (list: string): Record<string, string> => ({ "x-forwarded-for": list });
const standard = (list: string): Record<string, string> => ({ forwarded: list });

describe("the address of a client", () => {
  test("is that of its connection where it is no trusted proxy, whatever its headers say", () => {
    expect(addressOf("192.0.2.1", { ...plain("1.1.1.1"), ...standard("for=2.2.2.2") })).toBe("192.0.2.1");
    expect(addressOf("10.0.0.1", plain("1.1.1.1"), [])).toBe("10.0.0.1");
    expect(addressOf("10.0.0.1", {})).toBe("10.0.0.1");
  });

  test.each([
    ["one hop", "192.0.2.1", "192.0.2.1"],
    ["what the client wrote itself, at the left", "6.6.6.6, 192.0.2.1", "192.0.2.1"],
    ["trusted hops, at the right", "6.6.6.6, 192.0.2.1, 10.9.9.9, fd00::7", "192.0.2.1"],
    ["an IPv4-mapped trusted hop", "192.0.2.1, ::ffff:10.9.9.9", "192.0.2.1"],
    ["trusted hops only", "10.1.1.1,10.2.2.2", "10.1.1.1"],
    ["a port", "192.0.2.1:4711", "192.0.2.1"],
    ["IPv6", "2001:db8::1", "2001:db8:0:0::/64"],
    ["IPv6 with a port", "[2001:db8::1]:4711", "2001:db8:0:0::/64"],
    ["no address, behind a trusted hop", "unknown, 10.9.9.9", "10.9.9.9"],
    ["no address at all", "unknown", "10.0.0.1"],
    ["an empty element", "192.0.2.1,", "10.0.0.1"],
    ["only commas", ",".repeat(8000), "10.0.0.1"],
    ["an address with a line of junk", `192.0.2.1, ${"x".repeat(8000)}`, "10.0.0.1"],
    ["an address in quotes", '"192.0.2.1"', "10.0.0.1"],
    ["more trusted hops than it looks past", `192.0.2.1${", 10.9.9.9".repeat(20)}`, "10.9.9.9"],
  ])("behind a proxy is found in X-Forwarded-For with %s", (_, list, address) => {
    expect(addressOf("10.0.0.1", plain(list))).toBe(address);
  });

  test.each([
    ["one hop", "for=192.0.2.1", "192.0.2.1"],
    ["other parameters", "proto=https;For=192.0.2.1;by=10.0.0.1", "192.0.2.1"],
    ["quotes and a port", 'for="192.0.2.1:4711"', "192.0.2.1"],
    ["IPv6", 'for="[2001:db8::1]:4711"', "2001:db8:0:0::/64"],
    ["trusted hops, at the right", 'for=6.6.6.6, for=192.0.2.1, for="[fd00::7]";proto=http', "192.0.2.1"],
    ["an element of the client that never ends", 'for="6.6.6.6, for=192.0.2.1', "192.0.2.1"],
    ["a host of the client that looks like an element", 'for=192.0.2.1;host="x, for=6.6.6.6;a=b"', "192.0.2.1"],
    ["a host with an escaped quote", 'for=192.0.2.1;host="x\\", for=6.6.6.6;a=\\""', "192.0.2.1"],
    ["a host that looks like a parameter", 'for=192.0.2.1;host="a;for=6.6.6.6;b=c"', "192.0.2.1"],
    ["a host that is too long to read", `for=192.0.2.1;host="${"a".repeat(600)};for=6.6.6.6;b=c"`, "10.0.0.1"],
    ["the parameter twice", "for=6.6.6.6;for=192.0.2.1", "10.0.0.1"],
    ["an obfuscated name", "for=_hidden", "10.0.0.1"],
    ["no name", "for=unknown", "10.0.0.1"],
    ["no parameter for", "by=10.0.0.1", "10.0.0.1"],
    ["spaces around =", "for = 192.0.2.1", "10.0.0.1"],
    ["only quotes", '"'.repeat(8000), "10.0.0.1"],
    ["only backslashes and quotes", '\\"'.repeat(4000), "10.0.0.1"],
  ])("behind a proxy is found in Forwarded with %s", (_, list, address) => {
    expect(addressOf("10.0.0.1", standard(list))).toBe(address);
  });

  test("is that of its connection where both headers are present and disagree, since the client may have added one", () => {
    expect(addressOf("10.0.0.1", { ...plain("192.0.2.1"), ...standard("for=192.0.2.1") })).toBe("192.0.2.1");
    expect(addressOf("10.0.0.1", { ...plain("192.0.2.1"), ...standard("for=6.6.6.6") })).toBe("10.0.0.1");
  });
});
