/**
 * The body of a streamed response on Bun: a direct stream, which writes to the socket without a queue.
 *
 * `write` of its controller returns a promise when the socket is full, which resolves when it has drained; only then does
 * this sink ask for no more. Every way in which the body can end must release the admission or call `connection.gone`.
 */

import type { Admission } from "../../hub/admission/decision.ts";
import type { OpenStream, Sink } from "../../hub/delivery/sink.ts";

/** The controller of a direct stream: https://bun.com/docs/runtime/streams */
interface DirectController {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): unknown;
  end(): unknown;
}

/** The source of a direct stream. The stream ends when the promise of `pull` resolves, and breaks off if it rejects. */
interface DirectSource {
  readonly type: "direct";
  pull(controller: DirectController): Promise<void>;
  cancel(): void;
}

/** The body of one admitted request. It opens the connection when Bun begins to send the response. */
export class DirectBody implements Sink {
  readonly isChunked = false;
  readonly response: Response;
  readonly #request: Request;
  readonly #report: (error: unknown) => void;
  #admission: Admission | undefined;
  #controller: DirectController | undefined;
  #connection: OpenStream | undefined;
  #settle: { readonly end: () => void; readonly breakOff: () => void } | undefined;
  #isReleased = false;

  constructor(request: Request, admission: Admission, report: (error: unknown) => void) {
    this.#request = request;
    this.#admission = admission;
    this.#report = report;
    request.signal.addEventListener("abort", this.#onGone, { once: true });
    const source: DirectSource = {
      type: "direct",
      pull: (controller) => this.#pull(controller),
      cancel: this.#onGone,
    };
    this.response = new Response(new ReadableStream(source as unknown as UnderlyingDefaultSource<BufferSource>), {
      headers: admission.headers,
    });
  }

  write(bytes: Uint8Array): boolean {
    return this.#send(bytes, () => this.#connection?.drained());
  }

  end(bytes: Uint8Array): void {
    const finish = (): void => {
      this.#controller?.end();
      this.#release();
    };
    if (this.#send(bytes, finish)) finish();
  }

  destroy(): void {
    this.#settle?.breakOff();
    this.#release();
  }

  /** Sends bytes. Returns whether the socket takes more now; if not, calls `drained` when it does. */
  #send(bytes: Uint8Array, drained: () => void): boolean {
    const controller = this.#controller;
    if (controller === undefined || this.#isReleased) return false;
    const taken = controller.write(bytes);
    controller.flush();
    if (typeof taken === "number") return true;
    // It rejects if the client disconnects, which `cancel` reports.
    taken.then(drained, () => undefined);
    return false;
  }

  #pull(controller: DirectController): Promise<void> {
    const admission = this.#admission;
    // The client has disconnected before the response began.
    if (admission === undefined) return Promise.resolve();
    this.#admission = undefined;
    this.#controller = controller;
    return new Promise((resolve, reject) => {
      // An error would be logged as one of the application.
      this.#settle = { end: resolve, breakOff: () => reject(undefined) };
      try {
        const connection = admission.open(this);
        this.#connection = connection;
        // It may have ended, and the client may have disconnected, before `open` returned.
        if (this.#isReleased) connection.gone();
      } catch (error) {
        this.#report(error);
        this.destroy();
      }
    });
  }

  readonly #onGone = (): void => this.#release();

  /** Ends the body, and releases what the hub holds for it. */
  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#request.signal.removeEventListener("abort", this.#onGone);
    this.#admission?.release();
    this.#admission = undefined;
    this.#controller = undefined;
    this.#settle?.end();
    this.#connection?.gone();
  }
}
