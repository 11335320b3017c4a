/** The amounts of `packed-strangers.ts`, which its processes share. */
export const MAX_LOG_BYTES = 16 * 1_048_576;
/** The number of topics that strangers read, and the readers' topic. */
export const PACKED_TOPICS = 4;
export const PACKED_TOPIC = "readers";
/** The number of connections that strangers hold without reading. */
export const HELD_PACKED = 100;
