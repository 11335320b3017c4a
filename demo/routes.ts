import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { Html, Hub } from "comet-sockets";
import { nodeHandler, sendChunked } from "comet-sockets/node";
import { Exports } from "../examples/job/exports.ts";
import { AiChats } from "./ai-chat.ts";
import { answerRoutes } from "./answers.ts";
import { BadNetwork } from "./bad-network.ts";
import { postMessage, type ChatMessage } from "./chat.ts";
import { thisMachine } from "./machine.ts";
import { hashPolicy, noncePolicy } from "./policies.ts";
import { file, get, post, sendJson, sendProblem, sendText, type Answer, type Route } from "./replies.ts";
import { isSameOrigin } from "./same-origin.ts";
import { enumeratee, helper, iframe, manual, scripts } from "./streams.ts";

const DEFAULT_DELAY_MS = "300";
const MAX_DELAY_MS = 10_000;
const PAGES = new URL("pages/", import.meta.url);
const JOB_PAGES = new URL("../examples/job/pages/", import.meta.url);

/** The demo's routes, by path. */
export function createRoutes(hub: Hub): ReadonlyMap<string, Route> {
  const scriptPolicy = hashPolicy(scripts.map((script) => script.replace(/<.*?>/g, "")));
  return new Map<string, Route>([
    ["/", page("index.html")],
    ["/iframe", page("iframe.html")],
    ["/clock", page("clock.html")],
    ["/machine", page("machine.html")],
    ["/network", page("network.html")],
    ["/chat", page("chat.html")],
    ["/job", page("job.html", JOB_PAGES)],
    ["/job/iframe", page("job-iframe.html", JOB_PAGES)],
    ...pageParts(JOB_PAGES).map((name): [string, Route] => [`/${name}`, page(name, JOB_PAGES)]),
    ...pageParts().map((name): [string, Route] => [`/${name}`, page(name)]),
    ["/favicon.ico", page("favicon.svg")],
    ["/client.global.js", built("client.global.js")],
    ["/client.global.js.map", built("client.global.js.map")],
    ["/live", get(live(hub))],
    ["/machine/about", get((_, response) => sendJson(response, 200, thisMachine()))],
    ["/exports", exportsRoute(new Exports(hub))],
    ...answerRoutes(hub),
    ...new AiChats(hub).routes,
    ...new BadNetwork().routes,
    ["/chat/messages", post(postMessage(hub.topic<ChatMessage>("chat")))],
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
  ]);
}

/** The route of a path, or that of all paths below one: a route whose path ends with a slash, other than the index. */
export function findRoute(routes: ReadonlyMap<string, Route>, path: string): Route | undefined {
  const isAbove = (above: string): boolean => above.length > 1 && above.endsWith("/") && path.startsWith(above);
  return routes.get(path) ?? [...routes].find(([above]) => isAbove(above))?.[1];
}

function page(name: string, folder = PAGES): Route {
  return file(new URL(name, folder));
}

/** A route to the build's output: the client for script tags. */
function built(name: string): Route {
  try {
    return file(new URL(`../dist/${name}`, import.meta.url));
  } catch (error) {
    throw new Error(`There is no dist/${name} yet: run npm run build.`, { cause: error });
  }
}

/** The resources of the pages: every file in their folder except the pages. */
function pageParts(folder = PAGES): readonly string[] {
  return readdirSync(folder).filter((name) => !name.endsWith(".html"));
}

/** The exports of examples/job. Only the demo's own pages may start and cancel them. */
function exportsRoute(exports: Exports): Route {
  return {
    methods: ["GET", "HEAD", "POST", "DELETE"],
    answer: (request, response, query) => {
      const isSafe = request.method === "GET" || request.method === "HEAD";
      if (isSafe || isSameOrigin(request)) exports.answer(request, response, query);
      else sendProblem(response, 403, "Only this server's own pages may start and cancel exports.");
    },
  };
}

/** All topics of the hub, on whichever wire a client wants. */
function live(hub: Hub): Answer {
  const handle = nodeHandler(hub, () => {
    const nonce = newNonce();
    return { nonce, headers: { "content-security-policy": noncePolicy(nonce) } };
  });
  return (request, response) => void handle(request, response);
}

function sendComet(response: ServerResponse, socket: (nonce: string) => AsyncIterable<Html>): void {
  const nonce = newNonce();
  void sendChunked(response, socket(nonce), { headers: { "content-security-policy": noncePolicy(nonce) } });
}

function newNonce(): string {
  return randomBytes(16).toString("base64");
}

/** A route that takes `?delay=`, in milliseconds. */
function delayed(send: (response: ServerResponse, delayMs: number) => void): Route {
  return get((_, response, query) => {
    const [text = DEFAULT_DELAY_MS, ...more] = query.getAll("delay");
    const delayMs = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
    if (more.length === 0 && delayMs <= MAX_DELAY_MS) send(response, delayMs);
    else sendText(response, 400, `delay must be one whole number of milliseconds from 0 to ${MAX_DELAY_MS}.`);
  });
}
