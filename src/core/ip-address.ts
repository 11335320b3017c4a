import { CometError, describe } from "./errors.ts";

/**
 * An IP address as numbers of 16 bits: two for IPv4, eight for IPv6. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is
 * the IPv4 address, since a server that listens on both sees its IPv4 clients that way.
 */
export type IpAddress = readonly number[];

/** A range of addresses, in CIDR notation `address/bits`. */
export interface IpRange {
  readonly base: IpAddress;
  readonly bits: number;
}

/** The longest text that is parsed. An address takes 45 characters at most; a zone or a port may follow. */
const MAX_LENGTH = 80;
const GROUP_BITS = 16;
const IPV6_GROUPS = 8;
/** The bits before the IPv4 part of an IPv4-mapped address. */
const MAPPED_BITS = 96;

const decimal = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const hex = /^[0-9a-f]{1,4}$/i;
const zone = /%[\w.-]+$/;

/** Parses an IPv4 or IPv6 address, with or without a zone (`fe80::1%eth0`). Returns `undefined` for other text. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  if (!text.includes(":")) return parseIpv4(text);
  const groups = parseIpv6(text.replace(zone, ""));
  return groups !== undefined && isMapped(groups) ? groups.slice(-2) : groups;
}

/** Parses an address as proxies write it: perhaps with a port, and with brackets around IPv6 (RFC 7239, section 6). */
export function parseHostAddress(text: string): IpAddress | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const bracketed = /^\[([^\]]*:[^\]]*)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return parseIpAddress(bracketed[1] as string);
  return parseIpAddress(text.replace(/^([\d.]+):\d{1,5}$/, "$1"));
}

/**
 * Parses a list of addresses and ranges in CIDR notation. A bare address is a range of one.
 *
 * @throws {CometError} `ERR_OPTION` for anything else.
 */
export function parseIpRanges(name: string, value: unknown): readonly IpRange[] {
  if (Array.isArray(value)) return value.map((range) => parseIpRange(name, range));
  throw new CometError("ERR_OPTION", `${name} must be a list of IP addresses and ranges, not ${describe(value)}.`);
}

function parseIpRange(name: string, value: unknown): IpRange {
  const [, text, length] = (typeof value === "string" && /^([^/]{1,80})(?:\/(\d{1,3}))?$/.exec(value)) || [];
  const base = text === undefined ? undefined : parseIpAddress(text);
  if (base !== undefined) {
    // The length of a range in IPv4-mapped notation counts the bits before the IPv4 part.
    const skipped = text?.includes(":") === true && base.length !== IPV6_GROUPS ? MAPPED_BITS : 0;
    const most = base.length * GROUP_BITS;
    const bits = length === undefined ? most : Number(length) - skipped;
    if (bits >= 0 && bits <= most) return { base, bits };
  }
  throw new CometError(
    "ERR_OPTION",
    `${name} must have IP addresses or ranges such as 10.0.0.0/8 or fd00::/8, not ${describe(value)}.`,
  );
}

/** Returns whether an address is in a range. */
export function isInRange(address: IpAddress, { base, bits }: IpRange): boolean {
  if (address.length !== base.length) return false;
  return base.every((group, i) => {
    const used = Math.min(GROUP_BITS, Math.max(0, bits - i * GROUP_BITS));
    return group >> (GROUP_BITS - used) === (address[i] as number) >> (GROUP_BITS - used);
  });
}

/**
 * Returns the key under which a client with this address is counted: the address of IPv4, the first 64 bits of IPv6,
 * since one client commonly has a whole `/64`.
 */
export function addressKey(address: IpAddress): string {
  if (address.length === IPV6_GROUPS) return `${address.slice(0, 4).map(toHex).join(":")}::/64`;
  return address.flatMap((group) => [group >> 8, group & 0xff]).join(".");
}

function toHex(group: number): string {
  return group.toString(16);
}

function isMapped(groups: IpAddress): boolean {
  return groups.slice(0, 6).every((group, i) => group === (i === 5 ? 0xffff : 0));
}

function parseIpv4(text: string): IpAddress | undefined {
  const bytes = decimal.exec(text)?.slice(1).map(Number);
  if (bytes === undefined || bytes.some((byte) => byte > 255)) return undefined;
  const [a, b, c, d] = bytes as [number, number, number, number];
  return [(a << 8) | b, (c << 8) | d];
}

function parseIpv6(text: string): IpAddress | undefined {
  const [before = "", after, more] = text.split("::");
  if (more !== undefined) return undefined;
  const head = parseGroups(before);
  if (after === undefined) return head?.length === IPV6_GROUPS ? head : undefined;
  const tail = parseGroups(after);
  if (head === undefined || tail === undefined) return undefined;
  const zeros = IPV6_GROUPS - head.length - tail.length;
  // Dotted decimals are the end of an address, so they cannot stand before the zeros.
  return zeros < 1 || before.includes(".") ? undefined : [...head, ...new Array<number>(zeros).fill(0), ...tail];
}

/** Parses groups joined by colons, of which the last may be an IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    const isLast = i === parts.length - 1;
    const parsed = hex.test(part) ? [parseInt(part, 16)] : isLast ? parseIpv4(part) : undefined;
    if (parsed === undefined) return undefined;
    groups.push(...parsed);
  }
  return groups;
}
