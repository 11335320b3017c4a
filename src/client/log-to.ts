import { assertFunction } from "../core/options.ts";
import type { BareSource, OwnEvents } from "./bare-source.ts";
import type { CometSource } from "./comet-source.ts";
import type { LogFunction } from "./log-entry.ts";

const types = ["open", "gap", "ended", "missing", "error", "close"] as const;

/** The text of each event of a source: what has happened, and why. */
const texts: { readonly [Type in keyof OwnEvents]?: (event: OwnEvents[Type]) => string } = {
  open: ({ wire, states }) =>
    `open over ${wire}: ${Object.entries(states)
      .map(([topic, state]) => `${topic} ${state}`)
      .join(", ")}`,
  gap: ({ topic, missed }) => `gap in ${topic}: ${missed ?? "an unknown number of"} messages are missing`,
  ended: ({ topic, outcome, code, message }) =>
    `${topic} ended: ${[outcome, code, message].filter(Boolean).join(", ")}`,
  missing: ({ topic, status }) => `${topic} is missing: ${status}`,
  error: ({ code, status, detail, retryMs }) => {
    const next = retryMs === null ? "fatal" : `retry in ${Math.round(retryMs)} ms`;
    return `${[code, status].filter(Boolean).join(" ")}, ${next}: ${detail}`;
  },
  close: ({ reason, outcome }) => `closed: ${[reason, outcome].filter(Boolean).join(", ")}`,
};

/**
 * Logs every change of a source's state with its reason: connections, failures and retries, gaps, ends, and the position
 * at each. Messages are not logged.
 *
 * {@link logWire} also logs what each wire does. The page's own `close()` dispatches no event, so only `logWire` logs
 * it.
 *
 * @param log Called with a line of text and its entry, after the source's own listeners.
 * @returns A function that stops logging.
 * @throws {CometError} `ERR_OPTION` if `log` is no function.
 * @example
 * logTo(new CometSource("/live?topic=news"), console.debug);
 */
export function logTo<Events>(source: CometSource<Events> | BareSource<Events>, log: LogFunction): () => void {
  assertFunction("log", log);
  const controller = new AbortController();
  for (const type of types) {
    const listener = (event: never): void => {
      const position = source.lastEventId;
      const text = (texts[type] as (event: never) => string)(event);
      log(position ? `${text} (at ${position})` : text, { type, text, at: Date.now(), position, event });
    };
    source.addEventListener(type, listener as never, controller);
  }
  return () => controller.abort();
}
