const PATIENCE_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/**
 * Posts messages one after the other, each until the server has it or refuses it. One whose answer was lost is posted again
 * under the same `messageId`, by which the server deduplicates it.
 */
export class Outbox {
  #url;
  #on;
  #last = Promise.resolve();

  /** @param on Listeners: `sent(message)`, `retry(message)`, `refused(message, detail)`. */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  send(message) {
    this.#last = this.#last.then(() => this.#post(message)).catch(reportError);
  }

  async #post(message) {
    for (let failures = 0; ; failures += 1) {
      const answer = await this.#try(message);
      if (answer.sent) return this.#on.sent(message);
      if (answer.detail !== undefined) return this.#on.refused(message, answer.detail);
      this.#on.retry(message);
      await new Promise((resolve) => setTimeout(resolve, pauseMs(failures)));
    }
  }

  async #try(message) {
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (response.ok) return { sent: true };
      if (response.status >= 500) return {};
      const { detail = response.statusText } = await response.json().catch(() => ({}));
      return { detail };
    } catch {
      // The network failed, or the answer was cut: the server may or may not have the message.
      return {};
    }
  }
}

/** Exponential backoff with up to 50% jitter, so that pages do not reconnect all at once. */
function pauseMs(failures) {
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (1 - Math.random() / 2);
}
