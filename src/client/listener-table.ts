import { reportUncaught } from "./report-uncaught.ts";

/** A listener of any event. */
export type AnyListener = ((event: never) => void) | { handleEvent(event: never): void };

/**
 * The listeners of messages, by the types of messages. The value of each is whether it is called only once.
 *
 * It calls them as the browser would: in the order in which they were added, and no longer once they are removed. A
 * listener that another one adds is called from the next message on. An error in a listener is reported as uncaught,
 * and the next one is called. The option `capture` has no effect, since a source has no ancestors.
 */
export class ListenerTable extends Map<string, Map<AnyListener, boolean | undefined>> {
  add(type: string, listener: AnyListener, { once, signal }: AddEventListenerOptions): void {
    const listeners = this.get(type) ?? new Map<AnyListener, boolean | undefined>();
    if (signal?.aborted || listeners.has(listener)) return;
    this.set(type, listeners.set(listener, once));
    signal?.addEventListener("abort", () => listeners.delete(listener));
  }

  /** Calls the listeners of an event's type. */
  call(event: Event, target: EventTarget): void {
    const listeners = this.get(event.type);
    for (const [listener, once] of [...(listeners ?? [])]) {
      if (!listeners?.has(listener)) continue;
      if (once) listeners.delete(listener);
      try {
        if (typeof listener === "function") listener.call(target, event as never);
        else listener.handleEvent(event as never);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
}
