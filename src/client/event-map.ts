import type {
  CometCloseEvent,
  CometEndedEvent,
  CometErrorEvent,
  CometGapEvent,
  CometMessageEvent,
  CometMissingEvent,
  CometOpenEvent,
} from "./comet-events.ts";

/**
 * The default types of a source's messages: `any`, whatever their event name. `message` is the name of those without
 * one.
 */
export interface AnyEvents {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in EventSource: only the application knows the types.
  readonly [event: string]: any;
}

/** The events of the source itself. */
export interface OwnEvents {
  readonly open: CometOpenEvent;
  readonly gap: CometGapEvent;
  readonly ended: CometEndedEvent;
  readonly missing: CometMissingEvent;
  readonly error: CometErrorEvent;
  readonly close: CometCloseEvent;
}

/** The names of the events that a source dispatches: its own, and those of its messages. */
export type EventName<Events> = keyof OwnEvents | (keyof Events & string);

/** The event of one name. */
export type EventOf<Events, Name> = Name extends keyof OwnEvents
  ? OwnEvents[Name]
  : Name extends keyof Events & string
    ? CometMessageEvent<Events[Name], Name>
    : CometMessageEvent;

/** The messages of all names, as a union that narrows by `type`. */
export type MessageOf<Events> = {
  [Name in keyof Events & string]: CometMessageEvent<Events[Name], Name>;
}[keyof Events & string];

export type SourceListener<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;
