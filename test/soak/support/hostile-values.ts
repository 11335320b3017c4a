/** Hostile values of parameters and headers, as latin1 text. */
import type { Random } from "./random.ts";

/** The topics that the server of `requests` publishes to. */
export const publishedTopics: readonly string[] = ["t0", "t1", "t2", "t3"];

/** The topics that the server of `requests` rejects, delays, or fails for. */
export const plannedTopics: readonly string[] = [
  "login",
  "secret",
  "absent",
  "unknown",
  "later",
  "never",
  "throws",
  "rejects",
  "odd",
];

/** The origin that the server of `requests` allows. */
export const ALLOWED_ORIGIN = "https://page.example";

const values: readonly string[] = [
  "",
  "%",
  "%%",
  "%z",
  "%zz",
  "%0",
  "%00",
  "%0d%0aSet-Cookie:%20a=b",
  "%0A",
  "%ff%fe",
  "%c3%28",
  "%e2%80%a8",
  "%f0%9f%98%80",
  "%ed%a0%80",
  "\xff\xfe",
  "\xc3\xa9",
  "+",
  "++",
  "%2B",
  "0",
  "1",
  "-1",
  "1e309",
  "NaN",
  "null",
  "undefined",
  "true",
  "[object%20Object]",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "<script>alert(1)</script>",
  "%3C/script%3E",
  "'",
  '"',
  "`",
  "\\",
  "a.b.c.d",
  "..",
  ".",
  "eval",
  "alert",
  "console.log",
  "parent.cometX",
  "parent.eval",
  "comet",
  "comet$_1",
  "*",
  "http://evil.example",
  "https://page.example",
  "https://page.example/",
  "javascript:alert(1)",
  "newest",
  "oldest",
  "NEWEST",
  "comet,sse",
  "t0",
  "t0=",
  "=",
  ",",
  ",,,,",
  "t0=x.1",
  "t0=x.-1",
  "t0=x.1.2",
  "t0=.1",
  "t0=x.",
  "t0=x.99999999999999999999",
  "t0=x.9007199254740993",
  "t0=x.1,t0=x.2",
  "t0=x.1,t1=y.2,t2=z.3",
  "%74%30=x.1",
  "17",
  "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
];

/** Returns a hostile value. Most are short; some have thousands of characters. */
export function hostileValue(random: Random): string {
  const how = random.next();
  if (how < 0.75) return random.pick(values);
  if (how < 0.85)
    return random.pick(["a", ",", "%", "%41", ".", "=", "\xe9", "t0=x.1,"]).repeat(random.magnitude(2, 3000));
  if (how < 0.95) return randomBytes(random, random.whole(1, 12));
  return random.pick(values) + random.pick(values);
}

/** Returns random bytes without spaces and line ends, which would end the value. */
export function randomBytes(random: Random, length: number): string {
  let text = "";
  while (text.length < length) {
    const code = random.whole(0, 255);
    if (code !== 32 && code !== 13 && code !== 10) text += String.fromCharCode(code);
  }
  return text;
}

/** Returns an `Accept` header, which may be malformed. */
export function hostileAccept(random: Random): string {
  const types = [
    "text/html",
    "text/event-stream",
    "application/json",
    "application/x-ndjson",
    "*/*",
    "text/*",
    "image/png",
  ];
  const weights = [
    "",
    ";q=0",
    ";q=1",
    ";q=0.5",
    ";q=2",
    ";q=-1",
    ";q=NaN",
    "; q = 1",
    ";q",
    ";q=",
    ";charset=utf-8;q=0.1",
  ];
  if (random.chance(0.1)) return random.pick([",", ";", "/", '"', "*"]).repeat(random.magnitude(1, 15_000));
  const ranges = Array.from({ length: random.whole(1, 6) }, () => random.pick(types) + random.pick(weights));
  if (random.chance(0.2)) ranges.splice(random.whole(0, ranges.length), 0, hostileValue(random));
  return ranges.join(random.pick([",", ", ", ",,", " , "]));
}

/** Bodies in chunked coding that are malformed or incomplete, except the last. */
export const badChunks: readonly string[] = [
  "zz\r\n",
  "-1\r\nx",
  "fffffffffffffffff\r\n",
  "5\nhello\n",
  "5\r\nhell",
  "5\r\nhelloo\r\n",
  "\r\n",
  "0\r\n",
  "1;a=b;c\r\nx\r\n0\r\n\r\n",
];
