import type { IncomingMessage } from "node:http";

/** The names of this machine by which a browser on it reaches the demo. */
const localNames: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Whether a request names this machine as its host, with the port that it came in on. A page of another name that
 * resolves to this machine (DNS rebinding) would otherwise count as one of the demo's own pages.
 */
export function isLocalHost({ headers, socket }: IncomingMessage): boolean {
  const [, name = "", port = "80"] = /^(.*?)(?::(\d{1,5}))?$/.exec(headers.host ?? "") ?? [];
  return localNames.has(name.toLowerCase()) && Number(port) === socket.localPort;
}
