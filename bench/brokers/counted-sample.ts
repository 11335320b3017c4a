import type { Crowd } from "../fanout/clients/crowd.ts";
import { Sample } from "../fanout/clients/sample.ts";

const CR = "\r".charCodeAt(0);
/** After the length of a chunk, and after the chunk. The frames in it have none. */
const CRS_IN_CHUNK = 2;

/** A client's sample that counts the chunks too: what a hub writes at a time is one (RFC 9112, 7.1). */
export class CountedSample extends Sample {
  #returns = 0;

  /** Lets `count` of the clients read what they get, evenly spread over all. */
  static among({ clients }: Crowd, count: number): readonly CountedSample[] {
    const every = Math.max(1, Math.floor(clients.length / count));
    return clients.filter((_, i) => i % every === 0).map((client) => (client.sample = new CountedSample()));
  }

  /** How many times the hub has written to each of them since they were reset. */
  static writes(samples: readonly CountedSample[]): number {
    return samples.reduce((sum, sample) => sum + sample.#returns, 0) / CRS_IN_CHUNK / samples.length;
  }

  override reset(): void {
    super.reset();
    this.#returns = 0;
  }

  override read(chunk: Uint8Array): void {
    for (let at = chunk.indexOf(CR); at >= 0; at = chunk.indexOf(CR, at + 1)) this.#returns += 1;
    super.read(chunk);
  }
}
