/**
 * Reads a request into a `StreamRequest`: its wire and mode, topics, positions and parameters.
 *
 * Everything here is input of strangers, and PROTOCOL.md, section 3, fixes its meaning. A callback or target must pass
 * `isListener` before a format is made of it; a message must never reach a function or origin that the application does
 * not allow.
 */

import { CometError, describe } from "../../core/errors.ts";
import { jittered } from "../../core/jitter.ts";
import { checkTopicName, parsePositions, type Positions } from "../../log/position.ts";
import { parseStart } from "../../log/start.ts";
import { checkCallback } from "../../wire/script-frame.ts";
import { managedCometFormat, plainCometFormat } from "../../wire/comet-format.ts";
import type { Format } from "../../wire/format.ts";
import type { Wire } from "../../wire/item.ts";
import { ndjsonFormat, pollFormat } from "../../wire/ndjson-format.ts";
import { managedSseFormat, sseFormat } from "../../wire/sse-format.ts";
import type { StreamRequest } from "../delivery/stream-request.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubRequest, RequestOptions } from "../request-options.ts";
import { acceptedWire } from "./negotiate.ts";
import { assertPositionFits } from "./position-room.ts";
import type { Query } from "./query.ts";
import type { SurfaceStream } from "./surface-stream.ts";
import { isListener, plainComet, type WireChoice } from "./wire-choice.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;

/** The positions of a client that has none. */
export const noPositions: Positions = new Map();

/**
 * Returns the wire of a request, named or negotiated.
 *
 * @throws {CometError} `ERR_PARAMETER`, `ERR_WIRE`, `ERR_ACCEPT`.
 */
export function chooseWire(request: HubRequest, query: Query): Wire {
  const given = query.single("wire");
  if (given === undefined) return acceptedWire(request.headers);
  if (isWire(given)) return given;
  throw new CometError("ERR_WIRE", `wire must be ndjson, sse, comet or poll, not ${describe(given)}.`);
}

/**
 * Reads the mode of the wire. It does not check callback and target yet.
 *
 * @throws {CometError} `ERR_PARAMETER`, `ERR_WIRE`.
 */
export function readMode(query: Query): Omit<WireChoice, "wire"> {
  const mode = query.single("mode") ?? "plain";
  if (mode !== "plain" && mode !== "managed") {
    throw new CometError("ERR_WIRE", `mode must be plain or managed, not ${describe(mode)}.`);
  }
  return {
    managed: mode === "managed",
    callback: query.single("callback") ?? plainComet.callback,
    onEnded: query.single("ended"),
    target: query.single("target"),
  };
}

/**
 * Reads the rest of a request.
 *
 * @throws {CometError} `ERR_PARAMETER`, `ERR_TOPIC`, `ERR_POSITION`, `ERR_QUERY`, `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function readRequest(
  request: HubRequest,
  query: Query,
  wire: WireChoice,
  settings: HubSettings,
  { topics, nonce }: RequestOptions,
  surface: Pick<SurfaceStream, "topic" | "format"> | undefined,
): Omit<StreamRequest, "isPacked"> {
  const from = query.single("from");
  const wait = query.single("wait");
  if (wait !== undefined && wait !== "0") {
    throw new CometError("ERR_PARAMETER", `wait must be 0, not ${describe(wait)}.`);
  }
  const positions = readPositions(request, query, settings.maxPositionLength);
  const names = checkTopics(surface === undefined ? (topics ?? query.all("topic")) : [surface.topic], settings);
  const isInAddress = wire.wire === "comet" || (wire.wire === "sse" && wire.managed);
  const address = (): string => `${request.url.split("?", 1)[0]}?${query.without("lastEventId")}`;
  assertPositionFits(names, address, isInAddress, settings.maxPositionLength);
  return {
    format: surface?.format ?? formatOf(wire, settings, nonce),
    topics: names,
    positions,
    from: from === undefined ? undefined : parseStart(from, "ERR_PARAMETER"),
    waits: wait === undefined,
  };
}

/**
 * Reads the client's positions: those of the header, since an `EventSource` writes its newest there, or else those of
 * the parameter.
 *
 * A header that is malformed or too long came from another server, and an `EventSource` cannot drop it. So the client
 * may have missed anything, even after a position of the parameter.
 */
function readPositions(request: HubRequest, query: Query, maxLength: number): StreamRequest["positions"] {
  // A space stands for a percent sign: PROTOCOL.md, section 3.
  const parameter = query.single("lastEventId")?.replaceAll(" ", "%");
  const header = request.headers.get("last-event-id");
  if (!header) return parameter ? parsePositions(parameter, maxLength) : noPositions;
  try {
    return parsePositions(header, maxLength);
  } catch {
    return "unreadable";
  }
}

function isWire(text: string): text is Wire {
  return (wires as readonly string[]).includes(text);
}

function checkTopics(given: readonly string[], settings: HubSettings): readonly string[] {
  const { maxTopicsPerConnection } = settings;
  const names = given.length === 1 ? [...given] : [...new Set(given)];
  if (names.length === 0) {
    throw new CometError("ERR_TOPIC", "The request names no topic: add the parameter topic, once for each.");
  }
  if (names.length > maxTopicsPerConnection) {
    throw new CometError(
      "ERR_TOPIC",
      `A request may name at most ${maxTopicsPerConnection} topics, not ${names.length}.`,
    );
  }
  for (const name of names) checkTopicName(name);
  return names;
}

/** The plain sse format of each hub. */
const plainSseFormats = new WeakMap<HubSettings, Format>();

function plainSseFormat(settings: HubSettings): Format {
  let format = plainSseFormats.get(settings);
  if (format === undefined) plainSseFormats.set(settings, (format = sseFormat(() => jittered(settings.retryMs))));
  return format;
}

function formatOf(choice: WireChoice, settings: HubSettings, nonce: string | undefined): Format {
  const { wire, managed, callback, onEnded, target } = choice;
  if (wire === "ndjson") return ndjsonFormat;
  if (wire === "poll") return pollFormat;
  if (wire === "sse") return managed ? managedSseFormat : plainSseFormat(settings);
  checkCallback(callback);
  if (!isListener(choice, settings)) {
    const what = target === undefined ? `callback ${callback}` : `target ${describe(target)}`;
    throw new CometError("ERR_CALLBACK", `This server does not deliver messages to the ${what}.`);
  }
  if (managed) return managedCometFormat(choice, nonce);
  if (onEnded !== undefined && !settings.isCallback(checkCallback(onEnded))) {
    throw new CometError("ERR_CALLBACK", `This server does not call ${onEnded} at the end of a topic.`);
  }
  return plainCometFormat(callback, nonce, onEnded);
}
