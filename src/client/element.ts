import type { CometSource, CometSourceOptions } from "./comet-source.ts";
import { sourceTelling } from "./told.ts";

/**
 * Defines an element that follows the hub at its attribute `src` while it is in the document, and gives the events of its
 * source (`open`, `message` and those with names, `gap`, `error`, `close`) to its own listeners. They do not bubble. With
 * another `src` it follows that one, from the beginning; without, none. An address that is none is an `error` with the code `ERR_URL`.
 *
 * Where there are no elements, or it is defined already, it does nothing.
 *
 * @param name `comet-source` by default.
 * @param options Those of all its sources.
 */
export function defineCometSource(name = "comet-source", options: CometSourceOptions = {}): void {
  if (typeof customElements !== "object" || customElements.get(name) !== undefined) return;
  customElements.define(
    name,
    // In here, since there is no `HTMLElement` to extend elsewhere; and so that a page that does not call this need not have it.
    class extends HTMLElement {
      static readonly observedAttributes: readonly string[] = ["src"];
      #source: CometSource | undefined;
      /** What it follows, or has tried to. */
      #src: string | null = null;

      connectedCallback(): void {
        this.#follow();
      }

      disconnectedCallback(): void {
        // It may be on its way to another place in the document.
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
        if (src !== null) this.#source = sourceTelling((event) => this.dispatchEvent(event), src, options);
      }
    },
  );
}
