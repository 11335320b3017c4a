import { CometSource } from "comet-sockets/client";

export interface Price {
  readonly symbol: string;
  readonly cents: number;
}

/** Shows each price. @returns A function that stops. */
export function followPrices(show: (price: Price) => void): () => void {
  const source = new CometSource<{ price: Price }>("/live");
  source.addEventListener("price", ({ data }) => show(data));
  return () => source.close();
}
