import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Html } from "comet-sockets";
import { sendChunked } from "comet-sockets/node";
import { MachineFeed } from "./machine-feed.ts";
import { hashPolicy, noncePolicy } from "./policies.ts";
import { file, sendText, type Route } from "./replies.ts";
import { clock, enumeratee, helper, iframe, machine, manual, scripts } from "./streams.ts";

const DEFAULT_DELAY_MS = "300";
const MAX_DELAY_MS = 10_000;

/** What the demo answers, by path. */
export function createRoutes(): ReadonlyMap<string, Route> {
  const scriptPolicy = hashPolicy(scripts.map((script) => script.replace(/<.*?>/g, "")));
  const feed = new MachineFeed();
  return new Map<string, Route>([
    ["/", file("index.html")],
    ["/iframe", file("iframe.html")],
    ["/clock", file("clock.html")],
    ["/machine", file("machine.html")],
    ...[
      "style.css",
      "clock.css",
      "machine.css",
      "chart.js",
      "clock.js",
      "forever-iframe.js",
      "iframe.js",
      "machine.js",
    ].map((name): [string, Route] => [`/${name}`, file(name)]),
    ["/favicon.svg", file("favicon.svg")],
    ["/favicon.ico", file("favicon.svg")],
    [
      "/comet/manual",
      delayed((response, delayMs) => {
        const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": scriptPolicy };
        void sendChunked(response, manual(delayMs), { headers });
      }),
    ],
    [
      "/comet/enumeratee",
      delayed((response, delayMs) => {
        void sendChunked(response, enumeratee(delayMs), { headers: { "content-security-policy": scriptPolicy } });
      }),
    ],
    ["/comet/helper", delayed((response, delayMs) => sendComet(response, (nonce) => helper(delayMs, nonce)))],
    ["/comet/iframe", delayed((response, delayMs) => sendComet(response, (nonce) => iframe(delayMs, nonce)))],
    ["/comet/clock", (response) => sendComet(response, clock)],
    ["/comet/machine", (response) => sendComet(response, (nonce) => machine(feed, nonce))],
  ]);
}

function sendComet(response: ServerResponse, socket: (nonce: string) => AsyncIterable<Html>): void {
  const nonce = randomBytes(16).toString("base64");
  void sendChunked(response, socket(nonce), { headers: { "content-security-policy": noncePolicy(nonce) } });
}

/** A route that takes `?delay=`, in milliseconds. */
function delayed(send: (response: ServerResponse, delayMs: number) => void): Route {
  return (response, query) => {
    const [text = DEFAULT_DELAY_MS, ...more] = query.getAll("delay");
    const delayMs = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
    if (more.length === 0 && delayMs <= MAX_DELAY_MS) send(response, delayMs);
    else sendText(response, 400, `delay must be one whole number of milliseconds from 0 to ${MAX_DELAY_MS}.`);
  };
}
