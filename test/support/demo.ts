import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll } from "vitest";
import { createDemo } from "../../demo/server.ts";

/** The demo, which listens while the tests of a file run. */
export function useDemo(): { readonly port: number; readonly origin: string } {
  const demo = createDemo();
  const port = (): number => (demo.server.address() as AddressInfo).port;
  beforeAll(async () => {
    await once(demo.server.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(() => demo.close());
  return {
    get port() {
      return port();
    },
    get origin() {
      return `http://127.0.0.1:${port()}`;
    },
  };
}
