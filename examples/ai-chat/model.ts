import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { simulateReadableStream } from "ai";
import { MockLanguageModelV4 } from "ai/test";

const TEXT = `I am the mock model of the AI SDK, and write one word after the other.

Reload this page: the answer goes on where it was. Open its address in another tab, and read the same words there. Press
Stop in any tab: the model stops, and every tab shows so. Kill the server: each page says that the answer was lost.`;

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

/** The parts of an answer: its words, one by one. */
function partsOf(text: string): LanguageModelV4StreamPart[] {
  const words = text.split(/(?<=\s)(?=\S)/);
  return [
    { type: "stream-start", warnings: [] },
    { type: "text-start", id: "1" },
    ...words.map((delta): LanguageModelV4StreamPart => ({ type: "text-delta", id: "1", delta })),
    { type: "text-end", id: "1" },
    { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage },
  ];
}

/** Stands in for a language model. */
export const model = new MockLanguageModelV4({
  doStream: () => Promise.resolve({ stream: simulateReadableStream({ chunks: partsOf(TEXT), chunkDelayInMs: 120 }) }),
});
