import { now } from "../../core/clock.ts";
import { heldBytes } from "../../log/entry.ts";
import type { History } from "../../log/broker.ts";
import type { LogMemory, MeteredTape } from "../../log/log-memory.ts";
import { OlderPage, type OlderMessage, type OlderMessages } from "../../log/older.ts";
import type { BrokerLink } from "./broker-link.ts";
import { assertHistory } from "./check-broker-input.ts";
import type { LiveTopic } from "./live-topic.ts";

/** The time in milliseconds for which a page is kept after it was last read. */
const KEPT_MS = 10_000;
/** The memory that a page takes besides its messages, in bytes. */
const PAGE_OVERHEAD = 400;

/** A page in memory. The memory of the logs counts it, and drops the page that was read longest ago first. */
interface KeptPage extends MeteredTape {
  readonly page: OlderPage;
  readonly epoch: string;
  usedAt: number;
}

/** The parts of a replica that read older messages. */
export interface OlderSource {
  readonly topic: LiveTopic;
  readonly link: BrokerLink;
  readonly memory: LogMemory;
  /** Brings the log up to date with the broker. */
  readonly refresh: () => Promise<void>;
}

/**
 * The older messages of one topic, read page by page from the broker. Readers in about the same place share a page, which
 * is kept while it is read.
 */
export class OlderPages implements OlderMessages {
  readonly #source: OlderSource;
  readonly #kept = new Set<KeptPage>();
  readonly #reads = new Map<number, Promise<OlderPage | undefined>>();

  constructor(source: OlderSource) {
    this.#source = source;
  }

  page(after: number): OlderPage | undefined {
    const { topic, memory } = this.#source;
    for (const kept of this.#kept) {
      if (kept.epoch !== topic.log.epoch || !kept.page.covers(after)) continue;
      kept.usedAt = now();
      memory.tapeUsed(kept, 0);
      return kept.page;
    }
    return undefined;
  }

  load(after: number): Promise<OlderPage | undefined> {
    let reading = this.#reads.get(after);
    if (reading === undefined) {
      reading = this.#read(after).finally(() => this.#reads.delete(after));
      this.#reads.set(after, reading);
    }
    return reading;
  }

  sweep(time: number): void {
    for (const kept of this.#kept) if (time - kept.usedAt > KEPT_MS) kept.drop();
  }

  clear(): void {
    for (const kept of this.#kept) kept.drop();
  }

  async #read(after: number): Promise<OlderPage | undefined> {
    const { topic, link, refresh } = this.#source;
    const { log, settings } = topic;
    const history = await link.olderReads.run(() => link.broker.read(log.topic, after, settings.history, Infinity));
    assertHistory(history, after);
    if (topic.isForgotten) return undefined;
    if (history.epoch !== log.epoch || isOtherLife(topic, history)) {
      await refresh();
      return undefined;
    }
    const page = pageOf(topic, link, after, history);
    if (page.through === after) {
      // The broker has lost what the log has had of it.
      await refresh();
      return undefined;
    }
    this.#keep(page, log.epoch);
    return page;
  }

  #keep(page: OlderPage, epoch: string): void {
    const { memory } = this.#source;
    const held = page.messages.reduce((sum, message) => sum + heldBytes(message), PAGE_OVERHEAD);
    const kept: KeptPage = {
      page,
      epoch,
      held,
      usedAt: now(),
      drop: () => {
        this.#kept.delete(kept);
        memory.tapeDropped(kept);
      },
    };
    this.#kept.add(kept);
    memory.tapeUsed(kept, held);
  }
}

/** Whether the broker has another topic of this name than the one of the log, or none. Their epochs may be the same. */
function isOtherLife({ life, log }: LiveTopic, { finite }: History): boolean {
  if (finite === undefined) return life !== undefined;
  return finite.isExpired || (log.headOffset > 0 && finite.begunAfter >= log.headOffset);
}

/**
 * Returns the page of a broker's answer: the messages up to those of the log, or up to the next one that is missing. A page
 * begins with what is missing, if there is anything.
 */
function pageOf(topic: LiveTopic, link: BrokerLink, after: number, history: History): OlderPage {
  const { log, settings } = topic;
  const { epoch, floorOffset } = log;
  const messages: OlderMessage[] = [];
  let floor = Math.max(after, Math.min(history.floor, floorOffset));
  let through = floor;
  const older = history.messages.filter(({ offset }) => offset > floor && offset <= floorOffset);
  for (const message of older) {
    const { offset } = message;
    const isRemoved = settings.isDense && offset !== through + 1;
    const decoded = link.decode(log.topic, epoch, message);
    if ((isRemoved || decoded === undefined) && messages.length > 0) break;
    if (isRemoved) link.reportRemoved(log.topic, epoch, through, offset);
    if (isRemoved) floor = offset - 1;
    through = offset;
    if (decoded === undefined) floor = offset;
    else {
      const at = now() - Math.max(0, history.now - message.at);
      messages.push({ ended: undefined, ...decoded, id: log.positionAt(offset), offset, at });
    }
  }
  if (older.length > 0) return new OlderPage({ after, floor, through, messages });
  // The log may have gone on since the broker answered.
  const known = Math.max(floor, Math.min(floorOffset, history.head));
  // Where offsets are not dense, nothing need be missing between two of them.
  if (settings.isDense) floor = known;
  return new OlderPage({ after, floor, through: known, messages });
}
