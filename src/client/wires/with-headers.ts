import type { EndItem } from "../../wire/item.ts";
import type { ClientWire } from "../client-wire.ts";

/** The application's headers, or a function that returns them or a promise of them. */
export type HeadersOption = HeadersInit | (() => HeadersInit | PromiseLike<HeadersInit>);

/**
 * Wraps a wire so that it sends the application's headers.
 *
 * A function is called before each connection, and once more after a 401 or when the hub ends the stream as
 * `unauthorized`: so an expired token is renewed without an error. It is called only once more, or a hub that refuses
 * every token would be asked without end. If the function fails, the connection breaks with `ERR_HEADERS`, and the next
 * attempt calls it again.
 *
 * @example
 * new BareSource("/live?topic=mine", { wire: withHeaders(ndjson, { authorization: "Bearer abc" }) });
 */
export function withHeaders(wire: ClientWire, headers: HeadersOption): ClientWire {
  const getHeaders = typeof headers === "function" ? headers : undefined;
  return Object.assign(Object.create(wire) as ClientWire, {
    isPossible: () => wire.sendsHeaders === true && wire.isPossible?.() !== false,
    open: (request, events) => {
      let isOver = false;
      let close: (() => void) | undefined;
      const open = async (isSecond: boolean): Promise<void> => {
        try {
          const given = await (getHeaders ? getHeaders() : (headers as HeadersInit));
          if (isOver) return;
          close = wire.open(
            { ...request, headers: given },
            {
              ...events,
              received: (items) => {
                for (const { end } of items)
                  if (getHeaders && end?.reason === "unauthorized")
                    (end as { retryMs: EndItem["retryMs"] }).retryMs = 0;
                events.received(items);
              },
              broken: (failure) => {
                if (!getHeaders || isSecond || failure.status !== 401) {
                  events.broken(failure);
                  return;
                }
                close?.();
                void open(true);
              },
            },
          );
        } catch (error) {
          events.broken({ code: "ERR_HEADERS", detail: String(error) });
        }
      };
      void open(false);
      return () => {
        isOver = true;
        close?.();
      };
    },
  } satisfies Partial<ClientWire>);
}
