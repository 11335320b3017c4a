import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

/** In place of a check of your own, such as `jwtVerify` of the package jose. */
const users = new Map([
  ["token-of-ada", "ada"],
  ["token-of-bob", "bob"],
]);

/** The user whose token is in the header `Authorization: Bearer ...`, or in the cookie `token`. */
function userOf(authorization: string | null = null, cookie: string | null = null): string | undefined {
  const token = /^Bearer (.+)$/.exec(authorization ?? "") ?? /(?:^|; )token=([^;]+)/.exec(cookie ?? "");
  return users.get(token?.[1] ?? "");
}

const hub = new Hub({
  authorize: ({ headers }, topics) => {
    const user = userOf(headers.get("authorization"), headers.get("cookie"));
    if (user === undefined) return 401;
    return topics.every((topic) => topic === "news" || topic === `user:${user}`);
  },
});
const live = nodeHandler(hub, ({ headers: { authorization, cookie } }) => {
  const identity = userOf(authorization, cookie);
  return identity === undefined ? {} : { identity };
});
export const server = createServer(live).listen(process.env["PORT"] ?? 4000);
