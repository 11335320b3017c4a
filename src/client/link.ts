import type { ClientWire, WireEvents, WireRequest } from "./wire.ts";

/** One connection: nothing is told of it once it is over, and its silence is noticed. */
export class Link {
  readonly wire: ClientWire;
  /** The position with which it was asked for. */
  readonly start: string;
  isOver = false;
  readonly #on: WireEvents;
  /** How long it may be silent, in milliseconds; 0: for as long as it likes. */
  #patienceMs: number;
  #openedAt = Infinity;
  /** By the clock on the wall, which goes on while a machine sleeps. */
  #heardAt = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #letGo: (() => void) | undefined;

  constructor(wire: ClientWire, start: string, patienceMs: number, on: WireEvents) {
    this.wire = wire;
    this.start = start;
    this.#patienceMs = patienceMs;
    this.#on = on;
  }

  open(request: WireRequest): void {
    const { received, broken, worn } = this.#on;
    this.check();
    this.#letGo = this.wire.open(request, {
      received: (items) => {
        this.#heardAt = Date.now();
        if (!this.isOver) received(items);
      },
      broken: (failure) => {
        if (!this.isOver) broken(failure);
      },
      worn,
    });
    // It may have been over before there was anything to let go of.
    if (this.isOver) this.#letGo();
  }

  opened(heartbeatMs: number): void {
    this.#openedAt = Date.now();
    this.#patienceMs = 2 * heartbeatMs;
    this.check();
  }

  /** How long it has been open. */
  lastedMs(): number {
    return Date.now() - this.#openedAt;
  }

  /** Looks whether it is silent for too long, and when to look again. */
  check(): void {
    clearTimeout(this.#timer);
    if (this.isOver || this.#patienceMs === 0) return;
    const leftMs = this.#heardAt + this.#patienceMs - Date.now();
    if (leftMs > 0) this.#timer = setTimeout(() => this.check(), leftMs);
    else this.#on.broken({ code: "ERR_SILENT", detail: `Nothing came for ${this.#patienceMs} ms.` });
  }

  close(): void {
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#letGo?.();
  }
}
