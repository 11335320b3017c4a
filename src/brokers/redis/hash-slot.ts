const SLOTS = 16384;

/**
 * The slot of a hash tag of ASCII characters in a Redis Cluster: CRC16 (XMODEM) modulo 16,384, as the servers compute it.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */
export function hashSlot(tag: string): number {
  let crc = 0;
  for (let i = 0; i < tag.length; i += 1) {
    crc ^= tag.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  }
  return (crc & 0xffff) % SLOTS;
}

/** Finds one hash tag for each distinct owner, given the owner of each slot. */
export function hashTagPerOwner(owners: readonly string[]): string[] {
  const wanted = new Set(owners);
  const tags: string[] = [];
  for (let i = 0; wanted.size > 0 && i < SLOTS * 16; i += 1) {
    const tag = String(i);
    if (wanted.delete(owners[hashSlot(tag)] ?? "")) tags.push(tag);
  }
  return tags;
}
