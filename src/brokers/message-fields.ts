import type { BrokerMessage, BrokerPublication } from "../log/broker.ts";

/** The fields of a message besides its data. */
export type MessageFields = Pick<BrokerPublication, "event" | "key" | "messageId" | "ended">;

/** Parses the fields of a stored message from JSON. The hub checks their content. Returns undefined if they are not texts. */
export function parseFields(text: string): Partial<MessageFields> | undefined {
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
    const { event, key, messageId, ended } = fields as Record<string, unknown>;
    const areTexts = [event, key, messageId, ended].every((field) => field === undefined || typeof field === "string");
    return areTexts ? fields : undefined;
  } catch {
    return undefined;
  }
}

/** Returns what stands for a stored entry that no hub has written. */
export function foreignEntry(offset: number): BrokerMessage {
  const none = { json: "", event: undefined, key: undefined, messageId: undefined, ended: undefined };
  return { offset, at: 0, ...none, fault: "is not in the form of a hub: another program has written it" };
}
