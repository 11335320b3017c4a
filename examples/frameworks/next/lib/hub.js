import { Hub, sharedHub } from "comet-sockets";

/** Next bundles this module several times: for routes, for actions, for instrumentation, and after each edit. */
export const hub = sharedHub(
  "app",
  () =>
    new Hub({
      cors: { origins: ["https://app.example.com"], credentials: true },
      authorize: (_request, topics, user) => {
        if (user === undefined) return 401;
        return topics.every((topic) => topic === "news" || topic === `user:${user}`);
      },
    }),
);

/** Edit it while the development server runs: `/version` answers the new one, and the streams stay open. */
export const version = "v1";
