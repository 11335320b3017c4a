import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

interface Token {
  readonly user: string;
  /** In milliseconds, where the `exp` of a JWT is in seconds. */
  readonly expiresAt: number;
}

/** In place of a check of your own, such as `jwtVerify` of the package jose. */
const tokens = new Map<string, Token>([
  ["token-of-ada", { user: "ada", expiresAt: Date.now() + 3_600_000 }],
  ["token-of-bob", { user: "bob", expiresAt: Date.now() + 3_600_000 }],
]);

/** The token in the header `Authorization: Bearer ...`, or in the cookie `token`. */
function tokenIn(authorization: string | null, cookie: string | null): Token | undefined {
  const token = /^Bearer (.+)$/.exec(authorization ?? "") ?? /(?:^|; )token=([^;]+)/.exec(cookie ?? "");
  return tokens.get(token?.[1] ?? "");
}

const hub = new Hub({
  authorize: ({ headers }, topics) => {
    const token = tokenIn(headers.get("authorization"), headers.get("cookie"));
    if (token === undefined) return 401;
    const { user, expiresAt } = token;
    if (!topics.every((topic) => topic === "news" || topic === `user:${user}`)) return 403;
    return { identity: user, expiresAt };
  },
});
export const server = createServer(nodeHandler(hub)).listen(process.env["PORT"] ?? 4000);
