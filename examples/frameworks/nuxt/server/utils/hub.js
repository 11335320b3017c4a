import { Hub, sharedHub } from "comet-sockets";

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

export const version = "v1";
