/** Messages of five kinds of application, made from a seed: the same in every run and for every variant. */

export const kinds = ["ticker", "chat", "metrics", "llm", "html"] as const;
export type Kind = (typeof kinds)[number];

/** Numbers from 0 to 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SYLLABLES = [
  "ka",
  "ri",
  "no",
  "te",
  "sa",
  "lo",
  "mi",
  "ven",
  "dor",
  "qui",
  "pel",
  "sha",
  "ur",
  "gan",
  "bis",
  "tor",
];
/** The number of different words, and how much oftener than the rarest the commonest is. */
const WORDS = 1200;

/** Words of a made-up language: a few are common and most are rare, as in a real one. */
function vocabulary(random: () => number): () => string {
  const words = Array.from({ length: WORDS }, () => {
    const length = 1 + Math.floor(random() * 3);
    return Array.from({ length }, () => SYLLABLES[Math.floor(random() * SYLLABLES.length)]).join("");
  });
  return () => words[Math.floor(WORDS ** random()) - 1] ?? "ka";
}

/** Returns a function that makes the next message of a kind. */
export function traffic(kind: Kind, seed = 20_261_129): () => string | object {
  const random = randomFrom(seed);
  const word = vocabulary(random);
  const below = (most: number): number => Math.floor(random() * most);
  const hex = (digits: number): string => Array.from({ length: digits }, () => below(16).toString(16)).join("");
  const sentence = (least: number, most: number): string =>
    Array.from({ length: least + below(most - least) }, word).join(" ");
  let at = 1_790_000_000_000;
  const tick = (ms: number): number => (at += 1 + below(ms));
  switch (kind) {
    case "ticker": {
      const symbols = Array.from({ length: 40 }, () => word().slice(0, 4).toUpperCase());
      const prices = symbols.map(() => 10 + random() * 400);
      return () => {
        const i = below(symbols.length);
        const change = (random() - 0.5) * 2;
        prices[i] = (prices[i] as number) + change;
        const price = (prices[i] as number).toFixed(2);
        return { symbol: symbols[i], price, change: change.toFixed(2), volume: below(100_000), at: tick(40) };
      };
    }
    case "chat": {
      const users = Array.from({ length: 60 }, () => ({ id: hex(8), name: word() + String(below(100)) }));
      return () => ({ id: hex(12), user: users[below(users.length)], text: sentence(2, 24), at: tick(3000) });
    }
    case "metrics": {
      const hosts = Array.from({ length: 12 }, (_, i) => ({
        host: `web-${i + 1}.eu-central.example.com`,
        idle: 0.5,
        usedBytes: below(64) * 2 ** 28,
        load: random() * 4,
      }));
      // Each reading of a host is close to the one before.
      const walk = (value: number, step: number): number => Math.max(0, value + (random() - 0.5) * step);
      return () => {
        const one = hosts[below(hosts.length)] as (typeof hosts)[number];
        one.idle = Math.min(1, walk(one.idle, 0.2));
        one.usedBytes = Math.round(walk(one.usedBytes / 4096, 2000)) * 4096;
        one.load = walk(one.load, 0.3);
        const { host, idle, usedBytes, load } = one;
        const user = (1 - idle) * 0.7;
        return {
          host,
          at: tick(500),
          cpu: { user: user.toFixed(3), system: (1 - idle - user).toFixed(3), idle: idle.toFixed(3) },
          memory: { usedBytes, totalBytes: 2 ** 34 },
          load: [load, load * 0.9, load * 0.8].map((value) => value.toFixed(2)),
          requests: { perSecond: below(900), errors: below(5), p50Ms: below(30), p99Ms: below(400) },
        };
      };
    }
    case "llm": {
      const id = `chatcmpl-${hex(24)}`;
      return () => ({
        id,
        object: "chat.completion.chunk",
        created: 1_790_000_000,
        model: "example-large-2026-10-01",
        system_fingerprint: "fp_0a1b2c3d4e",
        choices: [{ index: 0, delta: { content: ` ${word()}` }, logprobs: null, finish_reason: null }],
      });
    }
    case "html":
      return () =>
        `<li class="flex items-center gap-3 px-4 py-2 hover:bg-slate-50" id="row-${below(900)}">` +
        `<img class="h-8 w-8 rounded-full" src="/avatars/${hex(8)}.webp" alt="" loading="lazy">` +
        `<div class="min-w-0 flex-1"><p class="truncate text-sm font-medium text-slate-900">${sentence(2, 5)}</p>` +
        `<p class="truncate text-xs text-slate-500">${sentence(4, 14)}</p></div>` +
        `<time class="text-xs text-slate-400" datetime="${new Date(tick(9000)).toISOString()}">now</time></li>`;
  }
}
