import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { createDemo } from "../../demo/server.ts";
import { serveGuide } from "./guides.ts";

/** A server with the page of `examples/answer`, which serves until the test is over. */
export interface AnswerSite {
  readonly origin: string;
  /** The address of the page that asks for a question. */
  readonly page: string;
  /** Cuts all connections. */
  readonly cut: () => void;
}

/** The servers with the page of `examples/answer`, by their names. */
export const answerSites: Readonly<Record<string, () => Promise<AnswerSite>>> = {
  "examples/answer": async () => {
    const { origin, server } = await serveGuide("../answer/server");
    return { origin, page: `${origin}/`, cut: () => server.closeAllConnections() };
  },
  "the demo": async () => {
    const demo = createDemo();
    onTestFinished(() => demo.close());
    await once(demo.server.listen(0, "127.0.0.1"), "listening");
    const origin = `http://127.0.0.1:${(demo.server.address() as AddressInfo).port}`;
    return { origin, page: `${origin}/answer`, cut: () => demo.server.closeAllConnections() };
  },
};
