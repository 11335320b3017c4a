/**
 * Finds the address of a client behind proxies, from headers that the client can forge.
 *
 * Each proxy appends the address of its own client at the right. So the headers are read from the right, and only as
 * far as every address is that of a trusted proxy: whatever a client wrote itself stands left of its real address.
 */

import { addressKey, isInRange, parseHostAddress, type IpAddress, type IpRange } from "../../core/ip-address.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubRequest, RequestOptions } from "../request-options.ts";

/** The most proxies that are looked past. */
const MAX_HOPS = 16;
/** The longest element of `Forwarded` that is read, in characters. */
const MAX_ELEMENT_LENGTH = 512;

/** Returns the key under which a client's address is counted; `undefined` where it is unknown or nothing counts it. */
export function clientKey(
  request: HubRequest,
  { address }: RequestOptions,
  { trustedProxies, maxConnectionsPerAddress, maxRequestsPerSecondPerAddress }: HubSettings,
): string | undefined {
  if (maxConnectionsPerAddress === Infinity && maxRequestsPerSecondPerAddress === Infinity) return undefined;
  const peer = parseHostAddress(address ?? request.address ?? "");
  return peer && addressKey(clientAddress(request, peer, trustedProxies));
}

/**
 * Returns the address of the client: that of the connection, or behind trusted proxies the one that they report.
 *
 * Where both `X-Forwarded-For` and `Forwarded` are present and disagree, one of them may be the client's own. Then it is
 * the address of the connection.
 *
 * @param peer The address at the other end of the connection.
 */
export function clientAddress({ headers }: HubRequest, peer: IpAddress, trustedProxies: readonly IpRange[]): IpAddress {
  const isTrusted = (address: IpAddress): boolean => trustedProxies.some((range) => isInRange(address, range));
  if (!isTrusted(peer)) return peer;
  const plain = headers.get("x-forwarded-for");
  const standard = headers.get("forwarded");
  const byPlain = plain === null ? undefined : walk(plain, peer, isTrusted, lastOfList, parseHostAddress);
  const byStandard = standard === null ? undefined : walk(standard, peer, isTrusted, lastElement, forAddress);
  if (byPlain === undefined || byStandard === undefined) return byPlain ?? byStandard ?? peer;
  return addressKey(byPlain) === addressKey(byStandard) ? byPlain : peer;
}

/**
 * Walks a list of addresses from the right, past trusted proxies.
 *
 * @returns The first address that is not trusted; the last trusted one where the list ends or an address is malformed.
 */
function walk(
  list: string,
  peer: IpAddress,
  isTrusted: (address: IpAddress) => boolean,
  startOfLast: (list: string) => number,
  parse: (element: string) => IpAddress | undefined,
): IpAddress {
  let rest = list;
  let client = peer;
  for (let hops = 0; hops < MAX_HOPS && rest !== ""; hops += 1) {
    const start = startOfLast(rest);
    const address = start === -1 ? undefined : parse(rest.slice(start).trim());
    if (address === undefined) break;
    client = address;
    if (!isTrusted(address)) break;
    rest = rest.slice(0, Math.max(0, start - 1));
  }
  return client;
}

function lastOfList(list: string): number {
  return list.lastIndexOf(",") + 1;
}

/** Returns the start of the last element of a `Forwarded` header, whose quoted values may have commas; -1 if it is too long. */
function lastElement(list: string): number {
  let isQuoted = false;
  for (let i = list.length - 1; i >= 0; i -= 1) {
    if (list.length - i > MAX_ELEMENT_LENGTH) return -1;
    const character = list[i];
    if (character === '"' && !(isQuoted && isEscaped(list, i))) isQuoted = !isQuoted;
    else if (character === "," && !isQuoted) return i + 1;
  }
  return 0;
}

/** Returns whether an odd number of backslashes precedes a character. */
function isEscaped(text: string, index: number): boolean {
  let start = index;
  while (text[start - 1] === "\\" && index - start < MAX_ELEMENT_LENGTH) start -= 1;
  return (index - start) % 2 === 1;
}

/** Returns the address in the parameter `for` of an element of `Forwarded` (RFC 7239, section 4). */
function forAddress(element: string): IpAddress | undefined {
  const pair = /\s*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;",\\]*))\s*(?:;|$)/y;
  let address: IpAddress | undefined;
  while (pair.lastIndex < element.length) {
    const match = pair.exec(element);
    if (match === null) return undefined;
    if (match[1]?.toLowerCase() !== "for") continue;
    // A repeated parameter is malformed.
    if (address !== undefined) return undefined;
    address = parseHostAddress(match[2] ?? match[3] ?? "");
    if (address === undefined) return undefined;
  }
  return address;
}
