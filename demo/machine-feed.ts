import os from "node:os";
import { Enumerator, type Channel } from "comet-sockets";
import { MachineMeter, type Sample } from "./machine.ts";

const PERIOD_MS = 500;
const WINDOW_MS = 60_000;
/** A client may be so many messages behind, a minute's worth, before its stream is broken off. It then begins afresh. */
const CAPACITY = WINDOW_MS / PERIOD_MS;

/** What a client of the feed is told: first what machine this is, with the samples there are, and then each new sample. */
export type MachineMessage =
  | {
      readonly type: "machine";
      readonly host: string;
      readonly model: string;
      readonly cores: number;
      readonly windowMs: number;
      readonly samples: readonly Sample[];
    }
  | { readonly type: "sample"; readonly sample: Sample };

/** One meter for all clients: it runs from when the first comes until the last has left. */
export class MachineFeed {
  readonly messages: Enumerator<MachineMessage> = Enumerator.unicast((channel) => this.#join(channel), {
    capacity: CAPACITY,
  });
  readonly #clients = new Set<Channel<MachineMessage>>();
  #history: readonly Sample[] = [];
  #timer: NodeJS.Timeout | undefined;

  #join(client: Channel<MachineMessage>): () => void {
    client.push(this.#greeting());
    this.#clients.add(client);
    if (this.#clients.size === 1) this.#start();
    return () => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) clearInterval(this.#timer);
    };
  }

  #greeting(): MachineMessage {
    const cpus = os.cpus();
    const model = cpus[0]?.model.trim() ?? "";
    const samples = recent(this.#history);
    return { type: "machine", host: os.hostname(), model, cores: cpus.length, windowMs: WINDOW_MS, samples };
  }

  #start(): void {
    const meter = new MachineMeter();
    this.#timer = setInterval(() => {
      const sample = meter.read();
      this.#history = recent([...this.#history, sample]);
      for (const client of this.#clients) client.push({ type: "sample", sample });
    }, PERIOD_MS);
  }
}

function recent(samples: readonly Sample[]): readonly Sample[] {
  const since = Date.now() - WINDOW_MS;
  return samples.filter((sample) => sample.at >= since);
}
