/**
 * A worker that follows prices, and posts the newest price of each symbol to its page, at most once a frame:
 *
 *     const worker = new Worker(new URL("./live-worker.ts", import.meta.url), { type: "module" });
 *     worker.onmessage = ({ data: prices }) => prices.forEach(show);
 */
import { batches, CometSource } from "comet-sockets/client";

interface Price {
  readonly symbol: string;
  readonly cents: number;
}

const source = new CometSource<{ price: Price }>("/live?topic=prices");
batches(source, (messages) => postMessage(messages.map(({ data }) => data)), {
  types: ["price"],
  latest: ({ data }) => data.symbol,
});
