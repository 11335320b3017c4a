import { setTimeout as wait } from "node:timers/promises";

const TEXT = `
I am no language model, but a generator that yields one word after the other, and a page sees no difference.
The server publishes each word into the topic of this answer. The topic keeps them all.

Reload this page: it gets the words again from the first one, and misses none. Open its address in another tab: there
you read the same words at the same time. The generator runs once, however many pages read it, and however often the
same question arrives.

Press Stop in any tab: the generator ends, and each page says that it was stopped. After the last word the topic ends,
and the pages close their connections. A page that you open later gets the whole answer from the log.`;

/** Stands in for a language model: yields an answer word by word, at random intervals. It fails if the question says so. */
export async function* tokens(question: string, signal: AbortSignal): AsyncGenerator<string> {
  const text = TEXT.replace(/(?<!\n)\n(?!\n)/g, " ").trim();
  const words = `You ask: “${question}” ${text}`.split(/(?<=\s)(?=\S)/);
  for (const [i, word] of words.entries()) {
    await wait(10 + 150 * Math.random(), undefined, { signal });
    if (i === 20 && /\bfail\b/i.test(question)) throw new Error("The model at 10.0.0.7 has no memory left.");
    yield word;
  }
}
