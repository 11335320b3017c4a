import type { CometSource, CometSourceOptions } from "./comet-source.ts";
import { sourceTelling } from "./told.ts";

/**
 * Defines an element that follows the hub at its attribute `src` while it is in the document, and gives the events of its
 * source (`open`, `message` and those with names, `gap`, `error`, `close`) to its own listeners, and to those of the elements around it. With
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

      connectedCallback(): void {
        this.#follow();
      }

      disconnectedCallback(): void {
        this.#leave();
      }

      attributeChangedCallback(_: string, before: string | null, src: string | null): void {
        if (src !== before && this.isConnected) this.#follow();
      }

      #leave(): void {
        this.#source?.close();
        this.#source = undefined;
      }

      #follow(): void {
        this.#leave();
        const src = this.getAttribute("src");
        if (src === null) return;
        try {
          this.#source = sourceTelling((event) => this.#tell(event), src, options);
        } catch (error) {
          this.#tell(Object.assign(new Event("error"), { code: "ERR_URL", detail: String(error), retryMs: null }));
        }
      }

      #tell(event: Event): void {
        // The event itself and no copy, which would be of another class. Nothing else makes an event bubble that was made not to.
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- see above.
        event.initEvent(event.type, true);
        this.dispatchEvent(event);
      }
    },
  );
}
