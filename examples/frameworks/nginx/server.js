import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { Hub } from "comet-sockets";
import { drainOnSignal, nodeHandler } from "comet-sockets/node";

export const hub = new Hub({
  cors: { origins: ["https://app.example.com"], credentials: true },
  // nginx adds the client's address to X-Forwarded-For.
  trustedProxies: ["127.0.0.1"],
  authorize: (_request, topics, user) => {
    if (user === undefined) return 401;
    return topics.every((topic) => topic === "news" || topic === `user:${user}`);
  },
});
const secret = process.env.SECRET ?? "only to try out";
const sign = (user) => createHmac("sha256", secret).update(user).digest("base64url");

/** The user of a request's cookie, or `undefined`. */
function userOf({ headers: { cookie = "" } }) {
  const [, name = "", signature = ""] = /(?:^|; )session=([^.;]*)\.([^;]*)/.exec(cookie) ?? [];
  const user = decodeURIComponent(name);
  const [given, expected] = [Buffer.from(signature), Buffer.from(sign(user))];
  return given.length === expected.length && timingSafeEqual(given, expected) ? user : undefined;
}

const script = { "content-type": "text/javascript" };
// The policy of pages. The hub gives its documents a policy of their own.
const html = { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'self'" };
const files = {
  "/": [html, readFileSync("public/index.html")],
  "/page.js": [script, readFileSync("public/page.js")],
  "/client.global.js": [script, readFileSync("node_modules/comet-sockets/dist/client.global.js")],
};

const live = nodeHandler(hub, (request) => ({ context: userOf(request) }));
export const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/live") return live(request, response);
  if (pathname === "/stats") return response.end(JSON.stringify(hub.stats()));
  if (pathname in files) {
    const [headers, body] = files[pathname];
    return response.writeHead(200, headers).end(body);
  }
  if (pathname === "/login") {
    const { user } = await json(request); // Check a password here.
    response.setHeader(
      "set-cookie",
      `session=${encodeURIComponent(user)}.${sign(user)}; Path=/; HttpOnly; SameSite=Lax`,
    );
  } else if (pathname === "/news") {
    if (userOf(request) === undefined) return response.writeHead(401).end();
    await hub.topic("news").publish((await json(request)).text);
  } else return response.writeHead(404).end();
  response.writeHead(204).end();
}).listen(process.env.API_PORT ?? 4001, "127.0.0.1");
drainOnSignal(hub, server, { drainMs: 1000 });
