import type { EndItem } from "../../wire/item.ts";
import type { ClientWire } from "../wire.ts";

/** Headers, or what gives them. */
export type GivenHeaders = HeadersInit | (() => HeadersInit | PromiseLike<HeadersInit>);

/**
 * A wire that sends headers of the application's. A function is asked for them before each connection, and once more after a 401 or when
 * the hub ends the stream as `unauthorized`. If it fails, that is an error `ERR_HEADERS`, after which it is asked again.
 */
export function withHeaders(wire: ClientWire, headers: GivenHeaders): ClientWire {
  const ask = typeof headers === "function" ? headers : undefined;
  return Object.assign(Object.create(wire) as ClientWire, {
    isPossible: () => wire.sendsHeaders === true && wire.isPossible?.() !== false,
    open: (request, events) => {
      let isOver = false;
      let letGo: (() => void) | undefined;
      const open = async (isSecond: boolean): Promise<void> => {
        try {
          const given = await (ask ? ask() : (headers as HeadersInit));
          if (isOver) return;
          letGo = wire.open(
            { ...request, headers: given },
            {
              ...events,
              received: (items) => {
                for (const { end } of items)
                  if (ask && end?.reason === "unauthorized") (end as { retryMs: EndItem["retryMs"] }).retryMs = 0;
                events.received(items);
              },
              broken: (failure) => {
                if (!ask || isSecond || failure.status !== 401) {
                  events.broken(failure);
                  return;
                }
                letGo?.();
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
        letGo?.();
      };
    },
  } satisfies Partial<ClientWire>);
}
