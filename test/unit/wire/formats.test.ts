import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CometDecoder } from "../../support/decoders/comet-decoder.ts";
import { COMET_HEAD, managedCometFormat, plainCometFormat } from "../../../src/wire/comet-format.ts";
import type { DecoderOptions } from "../../support/decoders/decoder.ts";
import { messageFrame, type Format, type LoggedMessage } from "../../../src/wire/format.ts";
import type { WireItem } from "../../support/decoders/wire-item.ts";
import { jsonLiteral } from "../../../src/wire/literal.ts";
import { NdjsonDecoder } from "../../support/decoders/ndjson-decoder.ts";
import { ndjsonFormat, pollFormat } from "../../../src/wire/ndjson-format.ts";
import { PollDecoder } from "../../support/decoders/poll-decoder.ts";
import { SseDecoder } from "../../support/decoders/sse-decoder.ts";
import { managedSseFormat, sseFormat } from "../../../src/wire/sse-format.ts";
import { hostileMessage } from "../../support/hostile.ts";

function message(data: unknown, more: Partial<LoggedMessage> = {}): LoggedMessage {
  const text = typeof data === "string" ? data : undefined;
  return {
    id: "t=e.5",
    json: jsonLiteral(data, "json"),
    text,
    event: undefined,
    key: undefined,
    messageId: undefined,
    ended: undefined,
    ...more,
  };
}

const open = { states: { t: "fresh" }, position: "t=e.4", heartbeatMs: 15_000 } as const;
const gap = { topic: "t", missed: 12, position: "t=e.17" };
const end = { reason: "recycle", position: "t=e.17", retryMs: 0 } as const;

describe("the bytes of PROTOCOL.md, section 5", () => {
  test("ndjson", () => {
    const { control, end: last, heartbeat, message: frame } = ndjsonFormat;
    expect(control("open", open, "")).toBe(
      '{"open":{"states":{"t":"fresh"},"position":"t=e.4","heartbeatMs":15000}}\n',
    );
    expect(frame(message({ title: "Comet returns" }), "")).toBe('{"id":"t=e.5","data":{"title":"Comet returns"}}\n');
    expect(frame(message("x", { event: "e", key: 'k"', messageId: "m" }), "")).toBe(
      '{"id":"t=e.5","event":"e","key":"k\\"","messageId":"m","data":"x"}\n',
    );
    expect(control("gap", gap, "")).toBe('{"gap":{"topic":"t","missed":12,"position":"t=e.17"}}\n');
    expect(last(end)).toBe('{"end":{"reason":"recycle","position":"t=e.17","retryMs":0}}\n');
    expect(heartbeat).toBe("\n");
  });

  test("poll", () => {
    const { head, control, end: last, message: frame, heartbeat } = pollFormat;
    const body = head + control("open", open, "") + frame(message("x"), "") + control("gap", gap, "") + last(end);
    expect(JSON.parse(body)).toEqual([{ open }, { id: "t=e.5", data: "x" }, { gap }, { end }]);
    expect(heartbeat).toBe("");
  });

  test("sse", () => {
    const { control, end: last, heartbeat, message: frame } = sseFormat(() => 2000);
    const text = JSON.stringify(open);
    expect(control("open", open, "t=e.4")).toBe(`event: comet:open\nid: t=e.4\nretry: 2000\ndata: ${text}\n\n`);
    expect(frame(message({ a: 1 }), "t=e.5,u=f.0")).toBe('id: t=e.5,u=f.0\ndata: {"a":1}\n\n');
    expect(frame(message("a\nb\r\nc\rd\n", { event: "e", key: "k" }), "t=e.5")).toBe(
      "event: e\nid: t=e.5\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n",
    );
    expect(frame(message(""), "t=e.5")).toBe("id: t=e.5\ndata: \n\n");
    expect(frame(message("it's fine"), "t=e.5")).toBe("id: t=e.5\ndata: it's fine\n\n");
    expect(frame(message('<b>"\\&é\u2028\t', { event: "e" }), "t=e.5")).toBe(
      'event: e\nid: t=e.5\ndata: <b>"\\&é\u2028\t\n\n',
    );
    expect(frame(message("\r"), "t=e.5")).toBe("id: t=e.5\ndata: \ndata: \n\n");
    expect(control("gap", gap, "t=e.17,u=f.0")).toBe(
      `event: comet:gap\nid: t=e.17,u=f.0\ndata: ${JSON.stringify(gap)}\n\n`,
    );
    expect(last(end)).toBe(`event: comet:end\nid: t=e.17\nretry: 0\ndata: ${JSON.stringify(end)}\n\n`);
    expect(last({ ...end, reason: "gone", retryMs: null })).not.toContain("retry:");
    expect(heartbeat).toBe("event: comet:heartbeat\ndata:\n\n");
  });

  test("comet, plain", () => {
    const format = plainCometFormat("parent.cometMessage", undefined);
    const { head, control, end: last, heartbeat } = format;
    const frame = (logged: LoggedMessage, id: string): string => messageFrame(format, logged, id);
    expect(head).toBe(COMET_HEAD);
    expect(Buffer.byteLength(head)).toBeGreaterThanOrEqual(1024);
    expect(head).toMatch(/^<!doctype html> {1024}\n<html><head><meta charset="utf-8">.*<body>\n$/);
    expect(frame(message({ title: "</script>" }), "")).toBe(
      '<script>parent.cometMessage({"title":"\\u003c/script>"});</script>\n',
    );
    expect(frame(message("it's"), "")).toBe("<script>parent.cometMessage('it\\'s');</script>\n");
    expect(frame(message("kiki, Grüße"), "")).toBe("<script>parent.cometMessage('kiki, Grüße');</script>\n");
    expect(frame(message("\"it's\"\n'<"), "")).toBe(
      String.raw`<script>parent.cometMessage('\"it\'s\"\n\'\u003c');</script>` + "\n",
    );
    expect(frame(message(JSON.parse('{"__proto__":1}')), "")).toBe(
      '<script>parent.cometMessage({["__proto__"]:1});</script>\n',
    );
    expect(control("gap", { ...gap, topic: "--><script>&" }, "")).toBe(
      '<!--comet:gap {"topic":"--\\u003e\\u003cscript\\u003e\\u0026","missed":12,"position":"t=e.17"}-->\n',
    );
    const parameters = "location.search.slice(1).replace(/(^|&)lastEventId=[^&]*/g,'')";
    expect(last({ ...end, position: "%C3%BC=e.17" })).toBe(
      `<!--comet:end ${JSON.stringify({ ...end, position: "%C3%BC=e.17" })}-->\n` +
        `<script>setTimeout(function(){location.replace('?'+${parameters}+'\\u0026lastEventId=+C3+BC%3De.17')},0);</script>\n`,
    );
    expect(last({ ...end, reason: "gone", retryMs: null })).not.toContain("<script>");
    expect(heartbeat).toBe("\n");
  });

  test("comet, managed", () => {
    const format = managedCometFormat({ callback: "parent.live", target: undefined }, "abc");
    const { before, after, control, end: last, head, heartbeat, message: frame } = format;
    expect(before + frame(message({ title: "<" }), "") + after).toBe(
      `<!--${String.raw`{"id":"t=e.5","data":{"title":"\u003c"}}`}\n-->`,
    );
    expect(frame(message("--!>-->", { event: "-->", key: ">" }), "")).toBe(
      `${String.raw`{"id":"t=e.5","event":"--\u003e","key":"\u003e","data":"--!\u003e--\u003e"}`}\n`,
    );
    expect(control("gap", gap, "")).toBe(`<!--${JSON.stringify({ gap })}\n-->`);
    expect(last(end)).toBe(`<!--${JSON.stringify({ end })}\n-->`);
    expect(heartbeat).toBe("<!---->");
    expect(head).toContain('<script nonce="abc">var o=new MutationObserver(');
    expect(head).toContain("parent.live(t);");
    const posted = managedCometFormat({ callback: "parent.live", target: "https://a.test" }, undefined);
    expect(posted.head).toContain('parent.postMessage(t,"https://a.test");');
  });

  test("frames are shared between connections where they are the same", () => {
    expect(plainCometFormat("comet", "abc").frameKey).toBe(plainCometFormat("comet2", undefined).frameKey);
    const comet = { callback: "comet", target: undefined };
    const comet2 = { callback: "comet2", target: undefined };
    expect(managedCometFormat(comet, "a").frameKey).toBe(managedCometFormat(comet2, "b").frameKey);
    expect(managedCometFormat(comet, "a").key).not.toBe(managedCometFormat(comet, "b").key);
    expect(managedCometFormat(comet, "a").key).not.toBe(managedCometFormat(comet2, "a").key);
  });
});

describe("what is encoded comes back", () => {
  const field = fc.option(
    fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[\r\n\0]/.test(text) && text.trim() === text),
    { nil: undefined },
  );
  type Make = (options: DecoderOptions) => { feed(bytes: Uint8Array): void; end(): void };
  const callback = "parent.comet";
  const formats: readonly (readonly [string, Format, Make])[] = [
    ["ndjson", ndjsonFormat, (options) => new NdjsonDecoder(options)],
    ["poll", pollFormat, (options) => new PollDecoder(options)],
    ["sse", sseFormat(() => 1), (options) => new SseDecoder(options)],
    ["managed sse", managedSseFormat, (options) => new SseDecoder({ ...options, mode: "managed" })],
    [
      "plain",
      plainCometFormat(callback, "abc"),
      (options) => new CometDecoder({ ...options, mode: "plain", callback }),
    ],
    [
      "managed",
      managedCometFormat({ callback, target: undefined }, undefined),
      (options) => new CometDecoder({ ...options, mode: "managed", callback }),
    ],
  ];

  test.each(formats)("on %s: hostile values, events and keys", (name, format, make) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(hostileMessage, field, field), { maxLength: 8 }), (values) => {
        const messages = values.map(([data, event, key]) => message(data, { event, key }));
        const { before, after, head } = format;
        const batch = messages.map((each) => messageFrame(format, each, each.id)).join("");
        const stream =
          head +
          format.control("open", open, open.position) +
          (batch === "" ? "" : before + batch + after) +
          format.control("gap", gap, gap.position) +
          format.heartbeat +
          format.end(end);
        const items: WireItem[] = [];
        const decoder = make({ onItem: (item) => items.push(item) });
        decoder.feed(Buffer.from(stream));
        decoder.end();
        const expected = messages.map((each) => expectedMessage(name, each));
        const heartbeat = format.heartbeat === "" ? [] : [{ type: "heartbeat" }];
        const controls = [{ type: "gap", ...gap }, ...heartbeat, { type: "end", ...end }];
        expect(items).toEqual([{ type: "open", ...open }, ...expected, ...controls]);
      }),
      { numRuns: 400 },
    );
  });

  /** What a wire can carry of a message: plain comet has the data alone, SSE has text. */
  function expectedMessage(wire: string, { id, json, text, event, key }: LoggedMessage): unknown {
    const data: unknown = JSON.parse(json);
    if (wire === "plain") return { type: "message", id: "", data };
    const named = event === undefined ? {} : { event };
    if (wire !== "sse") return { type: "message", id, ...named, ...(key === undefined ? {} : { key }), data };
    const sent = (text ?? json).replace(/\r\n?/g, "\n").toWellFormed();
    return { type: "message", id, ...named, data: sent };
  }
});
