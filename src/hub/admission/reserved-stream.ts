import type { Wire } from "../../wire/item.ts";
import type { OpenStream, Sink } from "../delivery/sink.ts";
import type { StreamClient, StreamRequest } from "../delivery/stream-request.ts";
import type { LiveTopic } from "../topics/live-topic.ts";
import type { Admission } from "./decision.ts";

/** An object that opens streams, as the subscriptions of a hub do. */
interface Opener {
  open(topics: readonly LiveTopic[], request: StreamRequest, client: StreamClient, sink: Sink): OpenStream;
}

/** The inputs of a {@link ReservedStream}. */
export interface Reservation {
  readonly headers: Headers;
  readonly heartbeatMs: number;
  /** The topics, which are held until `release` is called. */
  readonly topics: readonly LiveTopic[];
  readonly request: StreamRequest;
  readonly client: StreamClient;
  readonly release: () => void;
}

/** An admitted request: the topics that it holds, and the place that it has. */
export class ReservedStream implements Admission {
  readonly headers: Headers;
  readonly heartbeatMs: number;
  readonly #subscriptions: Opener;
  readonly #reservation: Reservation;

  constructor(subscriptions: Opener, reservation: Reservation) {
    this.headers = reservation.headers;
    this.heartbeatMs = reservation.heartbeatMs;
    this.#subscriptions = subscriptions;
    this.#reservation = reservation;
  }

  get wire(): Wire {
    return this.#reservation.request.format.wire;
  }

  get isPacked(): boolean {
    return this.#reservation.request.isPacked;
  }

  open(sink: Sink): OpenStream {
    const { topics, request, client, release } = this.#reservation;
    try {
      return this.#subscriptions.open(topics, request, client, sink);
    } finally {
      release();
    }
  }

  release(): void {
    this.#reservation.client.place.free(false);
    this.#reservation.release();
  }
}
