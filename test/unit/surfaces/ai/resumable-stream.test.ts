import { describe, expect, test } from "vitest";
import { createResumableStreamContext, type ResumableStreamContext } from "../../../../src/surfaces/ai/index.ts";
import { Enumerator, type HubOptions } from "../../../../src/index.ts";
import { notedHub, type NotedHub } from "../../../support/hub.ts";
import { collect, errorOf } from "../../../support/sources.ts";

function world(options: HubOptions = {}): NotedHub & { readonly context: ResumableStreamContext } {
  const noted = notedHub(options);
  return { ...noted, context: createResumableStreamContext({ hub: noted.hub }) };
}

const textOf = async (stream: ReadableStream<string> | null | undefined): Promise<string> =>
  (await collect(stream ?? expect.fail("there is no stream"))).join("");

function writable(): {
  readonly readable: ReadableStream<string>;
  readonly writer: WritableStreamDefaultWriter<string>;
} {
  const { readable, writable: input } = new TransformStream<string, string>(undefined, { highWaterMark: 1000 });
  return { readable, writer: input.getWriter() };
}

describe("a stream of resumable-stream over a hub", () => {
  test("fails for its readers if its source fails", async () => {
    const { context, errors } = world();
    const { readable, writer } = writable();
    const stream = await context.createNewResumableStream("1", () => readable);
    const resumed = await context.resumeExistingStream("1");
    void writer.write("a").then(() => writer.abort(new Error("no memory")));
    for (const reader of [stream, resumed]) {
      expect(await errorOf(() => textOf(reader))).toMatchObject({ code: "ERR_FAILED" });
    }
    expect(errors).toEqual([expect.objectContaining({ code: "ERR_FAILED" })]);
    expect(await context.hasExistingStream("1")).toBe("DONE");
  });

  test("ends for its readers when the hub stops it", async () => {
    const { context, hub } = world();
    const { readable, writer } = writable();
    const stream = await context.createNewResumableStream("1", () => readable);
    await writer.write("a");
    await hub.stop("resumable-stream:1");
    expect(await textOf(stream)).toBe("a");
    await expect(writer.closed).rejects.toBeUndefined();
  });

  test("is given to waitUntil until it is done", async () => {
    const { hub } = notedHub();
    const pending: Promise<unknown>[] = [];
    const context = createResumableStreamContext({ hub, waitUntil: (promise) => void pending.push(promise) });
    const { readable, writer } = writable();
    await context.createNewResumableStream("1", () => readable);
    void writer.write("a");
    void writer.close();
    expect(pending.length).toBe(1);
    expect(await pending[0]).toMatchObject({ outcome: "complete" });
    await context.resumableStream("2", () => Enumerator.of("a").toReadableStream());
    expect(pending.length).toBe(2);
  });

  test("is a topic of the keyPrefix", async () => {
    const { hub } = notedHub();
    const context = createResumableStreamContext({ hub, keyPrefix: "mine" });
    await textOf(await context.createNewResumableStream("1", () => Enumerator.of("a").toReadableStream()));
    expect((await collect(hub.topic("mine:1").messages())).map(({ data }) => data)).toEqual(["a"]);
  });

  test("replaces the stream of its id", async () => {
    const { context } = world();
    const first = writable();
    const old = await context.createNewResumableStream("1", () => first.readable);
    const reading = textOf(old);
    await first.writer.write("old");
    const stream = await context.createNewResumableStream("1", () => Enumerator.of("new").toReadableStream());
    expect(await textOf(stream)).toBe("new");
    expect(await reading).toBe("old");
  });
});

test.each([{}, { hub: {} }, { hub: "redis" }])("refuses the options %j", async (options) => {
  expect(await errorOf(() => createResumableStreamContext(options as never))).toMatchObject({ code: "ERR_OPTION" });
});

test("refuses a bad number of characters", async () => {
  const { context } = world();
  await context.createNewResumableStream("1", () => writable().readable);
  for (const skip of [-1, 1.5, NaN]) {
    expect(await errorOf(() => context.resumeExistingStream("1", skip))).toMatchObject({ code: "ERR_OPTION" });
  }
});
