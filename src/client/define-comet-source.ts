import { toEvent } from "./comet-message.ts";
import type { CometSource, CometSourceOptions } from "./comet-source.ts";
import { forwardEvents } from "./forward-events.ts";

/**
 * Defines an element that follows the hub at its attribute `src` while it is in the document.
 *
 * The element dispatches the events of its source: `open`, `message`, named messages, `gap`, `ended`, `missing`,
 * `error` and `close`. They do not bubble. A new `src` closes the source and opens another from the beginning; removing `src` closes it. An
 * invalid address dispatches an `error` with the code `ERR_URL`.
 *
 * It does nothing where there are no custom elements, or where the name is defined already. The class is made inside of
 * this function on purpose: elsewhere there may be no `HTMLElement`, and pages that do not call it do not bundle it.
 *
 * @param name The element's name. @default "comet-source"
 * @param options The options of every source of these elements.
 * @example
 * defineCometSource();
 * document.body.innerHTML = '<comet-source src="/live?topic=news"></comet-source>';
 */
export function defineCometSource(name = "comet-source", options: CometSourceOptions = {}): void {
  if (typeof customElements !== "object" || customElements.get(name) !== undefined) return;
  customElements.define(
    name,
    class extends HTMLElement {
      static readonly observedAttributes: readonly string[] = ["src"];
      #source: CometSource | undefined;
      /** The address of the current source, or of the attempt to open it. */
      #src: string | null = null;

      connectedCallback(): void {
        this.#follow();
      }

      disconnectedCallback(): void {
        // The page may be moving it within the document: then it is connected again in this same task.
        queueMicrotask(() => this.#follow());
      }

      attributeChangedCallback(): void {
        this.#follow();
      }

      #follow(): void {
        const src = this.isConnected ? this.getAttribute("src") : null;
        if (src === this.#src) return;
        this.#src = src;
        this.#source?.close();
        this.#source = undefined;
        if (src !== null) this.#source = forwardEvents((event) => this.dispatchEvent(toEvent(event)), src, options);
      }
    },
  );
}
