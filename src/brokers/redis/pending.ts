import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { unrefTimeout } from "../../core/timers.ts";

/**
 * The replies that a session awaits. Rejects each on timeout, and all of them on `end`: clients leave commands pending when a
 * connection is silent, and some also when it is closed, so a reply must not be awaited without it.
 */
export class Pending {
  readonly #expire = new Set<(reason: string) => void>();

  /** Settles as the reply does, or rejects with the code after `timeoutMs`. The timer does not keep the process alive. */
  within<T>(reply: Promise<T>, timeoutMs: number, code: CometErrorCode = "ERR_BROKER"): Promise<T> {
    return new Promise((resolve, reject) => {
      const expire = (reason: string): void => {
        settle();
        reject(new CometError(code, reason));
      };
      const timer = unrefTimeout(() => expire(`Redis did not answer within ${timeoutMs} ms.`), timeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#expire.delete(expire);
      };
      this.#expire.add(expire);
      reply.then(
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

  /** Rejects all that are pending. Later calls of `within` are not affected. */
  end(reason: string): void {
    for (const expire of [...this.#expire]) expire(reason);
  }
}
