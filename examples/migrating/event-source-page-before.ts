export interface Price {
  readonly symbol: string;
  readonly cents: number;
}

/** Shows each price. @returns A function that stops. */
export function followPrices(show: (price: Price) => void): () => void {
  const source = new EventSource("/live");
  source.addEventListener("price", (event: MessageEvent<string>) => show(JSON.parse(event.data) as Price));
  return () => source.close();
}
