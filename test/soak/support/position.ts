/** A place in one topic, as a client knows it. */
export interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** Reads a position: PROTOCOL.md, section 2. */
export function placesOf(position: string): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const part of position.split(",")) {
    const equals = part.indexOf("=");
    const dot = part.lastIndexOf(".");
    const topic = part.slice(0, equals);
    places.set(topic.includes("%") ? decodeURIComponent(topic) : topic, {
      epoch: part.slice(equals + 1, dot),
      offset: Number(part.slice(dot + 1)),
    });
  }
  return places;
}

/** Writes a position. */
export function positionOf(places: ReadonlyMap<string, Place>): string {
  return Array.from(places, ([topic, { epoch, offset }]) => `${encodeURIComponent(topic)}=${epoch}.${offset}`).join(
    ",",
  );
}

export function samePlace(a: Place | undefined, b: Place | undefined): boolean {
  return a?.epoch === b?.epoch && a?.offset === b?.offset;
}
