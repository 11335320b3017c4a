import type { ProducerTag } from "./producers.ts";

/** The append that a message came with, as the message's id has it. */
export interface AppendTag {
  readonly producer: ProducerTag | undefined;
  /** The `Stream-Seq`. */
  readonly seq: string | undefined;
}

/** The most characters that a producer's name and a `Stream-Seq` have together: an id of a message has 200. */
export const MAX_TAG_LENGTH = 128;

const form = /^ds:(\d*):(\d*):(\d+):(\d+):(\d+):(.*)$/s;

/**
 * Returns the id of a message, by which a broker recognizes a repeated one, and each process learns what a producer has appended.
 *
 * @param i The place of the message among the `count` of its append, from 0.
 * @returns `undefined` if the append names neither a producer nor a sequence.
 */
export function appendId({ producer, seq }: AppendTag, i: number, count: number): string | undefined {
  if (producer === undefined && seq === undefined) return undefined;
  const { id, epoch, seq: number } = producer ?? { id: "", epoch: "", seq: "" };
  return `ds:${epoch}:${number}:${i}:${count}:${id.length}:${id}${seq === undefined ? "" : `:${seq}`}`;
}

/** Reads the id of the last message of an append; `undefined` for every other id. */
export function readAppendId(messageId: string | undefined): AppendTag | undefined {
  const match = messageId === undefined ? null : form.exec(messageId);
  if (match === null) return undefined;
  const [, epoch = "", number = "", i = "", count = "", length = "", rest = ""] = match;
  if (Number(i) !== Number(count) - 1) return undefined;
  const id = rest.slice(0, Number(length));
  const tail = rest.slice(Number(length));
  return {
    producer: epoch === "" ? undefined : { id, epoch: Number(epoch), seq: Number(number) },
    seq: tail === "" ? undefined : tail.slice(1),
  };
}
