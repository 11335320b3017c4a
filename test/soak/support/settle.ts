import type { Client } from "./client.ts";
import { samePlace } from "./position.ts";
import type { EpochTruth, PublishedTruth } from "./publisher.ts";
import type { Tally } from "./tally.ts";
import type { Truth } from "./topic-ledger.ts";

/** How long the last messages may take to reach everybody, in milliseconds. */
const SETTLE_MS = 30_000;

/**
 * Confirms that what the clients checked against is what was published, and waits until each of them is where the publisher has
 * stopped, in each of its topics; those who do not come there are told of as violations.
 *
 * @throws {Error} if the clients have seen other numbers than were published.
 */
export async function settled(
  clients: readonly Client[],
  published: PublishedTruth,
  truth: Truth,
  tally: Tally,
): Promise<void> {
  for (const { topic, epoch, base } of published.epochs) truth.confirm(topic, epoch, base);
  const start = performance.now();
  const heads = new Map<string, EpochTruth>(published.epochs.map((epoch) => [epoch.topic, epoch]));
  let late = clients;
  while (late.length > 0 && tally.violations.length === 0) {
    late = late.filter((client) => !isThere(client, heads));
    if (performance.now() - start > SETTLE_MS) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (tally.violations.length > 0) return;
  for (const client of late.slice(0, 3)) {
    const want = [...client.ledger.topics.keys()].map((topic) => JSON.stringify(heads.get(topic))).join(" ");
    const state = client.connected ? "connected" : "not connected";
    tally.violations.push(
      `One of ${late.length} clients (${state}) never came to ${want}:\n    ${client.ledger.history}`,
    );
  }
}

/** Prints what is wrong. True if nothing is. */
export function verdict({ violations }: Tally, what: string): boolean {
  for (const violation of violations.slice(0, 3)) console.log(`  VIOLATION: ${violation}`);
  if (violations.length > 0) console.log(`  ${what}: ${violations.length} violations`);
  return violations.length === 0;
}

/** Whether a client has had, or been told that it cannot have, everything. */
function isThere({ ledger }: Client, heads: ReadonlyMap<string, EpochTruth>): boolean {
  return [...ledger.topics].every(([topic, { place }]) => {
    const head = heads.get(topic);
    return head !== undefined && samePlace(place, { epoch: head.epoch, offset: head.head });
  });
}
