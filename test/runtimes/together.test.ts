import { expect, test } from "vitest";
import { RuntimeProcess } from "../support/runtimes/runtime-process.ts";
import { runtimes } from "../support/runtimes/runtimes.ts";

test("all runtimes serve one client at the same time", async () => {
  const servers = await Promise.all(runtimes.map((runtime) => RuntimeProcess.start(runtime)));
  try {
    const received = await Promise.all(
      servers.map(async (server) => {
        await server.order("together", { op: "create", options: {} });
        const follower = await (await server.follow("together", "topic=t")).begun();
        await server.order("together", { op: "publish", topic: "t", messages: [server.runtime.name] });
        const { data } = await follower.has(1);
        follower.leave();
        return data;
      }),
    );
    expect(received).toEqual(runtimes.map(({ name }) => [name]));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
});
