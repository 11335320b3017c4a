import { CometError, type CometErrorCode } from "../../core/errors.ts";

/** What is waited for. Nothing is waited for longer than it may take, and nothing any more once it is over. */
export class Waits {
  readonly #pending = new Set<(why: string) => void>();

  /** Gives what a promise gives, or rejects with this code when that takes too long. The timer keeps no process alive. */
  within<T>(promise: Promise<T>, timeoutMs: number, code: CometErrorCode = "ERR_BROKER"): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (why: string): void => {
        settle();
        reject(new CometError(code, why));
      };
      const timer = setTimeout(() => giveUp(`Redis did not answer within ${timeoutMs} ms.`), timeoutMs);
      (timer as { unref?: () => void }).unref?.();
      const settle = (): void => {
        clearTimeout(timer);
        this.#pending.delete(giveUp);
      };
      this.#pending.add(giveUp);
      promise.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }

  /** Rejects all that is waited for. */
  end(why: string): void {
    for (const giveUp of [...this.#pending]) giveUp(why);
  }
}
