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
