import { describe as group, expect, onTestFinished, test, vi } from "vitest";
import { CometError, describe } from "../../../src/core/errors.ts";
import { Queue } from "../../../src/core/queue.ts";
import { guardOnError, reportOnConsole } from "../../../src/core/on-error.ts";
import { reportHubError } from "../../../src/hub/report-hub-error.ts";
import { copyText, utf8Length } from "../../../src/core/utf8.ts";

test("gives a CometError a code, a message, a name and its cause", () => {
  const cause = new Error("underneath");
  const error = new CometError("ERR_OPTION", "wrong", { cause });
  expect(error).toBeInstanceOf(Error);
  expect([error.name, error.code, error.message, error.cause]).toEqual(["CometError", "ERR_OPTION", "wrong", cause]);
});

test.each([
  [null, "null"],
  [undefined, "undefined"],
  [5, "5"],
  [true, "true"],
  ["short", 'the string "short"'],
  ["x".repeat(50), `the string "${"x".repeat(40)}…"`],
  [10n, "bigint"],
  [[], "an object of type Array"],
  [new Map(), "an object of type Map"],
  [Object.create(null), "an object of type Object"],
  [() => 1, "function"],
])("describes %s", (value, text) => {
  expect(describe(value)).toBe(text);
});

group("a Queue", () => {
  test("keeps the order while it grows and wraps around", () => {
    const queue = new Queue<number>();
    const model: number[] = [];
    for (let i = 0; i < 1000; i += 1) {
      queue.push(i);
      model.push(i);
      if (i % 3 === 2) expect(queue.shift()).toBe(model.shift());
    }
    expect(queue.size).toBe(model.length);
    while (queue.size > 0) {
      expect(queue.peek()).toBe(model[0]);
      expect(queue.shift()).toBe(model.shift());
    }
    expect(model).toEqual([]);
    queue.push(1);
    queue.clear();
    expect(queue.size).toBe(0);
  });
});

group("the length of a text in UTF-8", () => {
  test.each(["", "kiki", "Grüße", "\u2028", "😀", "\ud800", "\udc00", "\udc00\ud800", "a\ud83dé\ude00"])(
    "of %j",
    (text) => {
      expect(utf8Length(text)).toBe(Buffer.byteLength(text));
    },
  );

  test("returns the right result wherever a long text is split", () => {
    const pieces = ["x", "é", "€", "😀", "\ud83d", "\ude00"];
    for (const around of [2047, 2048, 2049, 4095, 4096, 4097]) {
      for (const first of pieces) {
        for (const second of pieces) {
          const text = `${"x".repeat(around - 1)}${first}${second}`;
          expect(utf8Length(text)).toBe(Buffer.byteLength(text));
          expect(utf8Length(`${text}${"€".repeat(3000)}`)).toBe(Buffer.byteLength(text) + 9000);
        }
      }
    }
    expect(utf8Length("\ud800".repeat(10_000))).toBe(30_000);
    expect(utf8Length("😀".repeat(10_000))).toBe(40_000);
    expect(utf8Length(`x${"😀".repeat(10_000)}`)).toBe(40_001);
  });
});

test("copies a text", () => {
  for (const text of ["", "kiki", "Grüße 😀", "\ufeffbom"]) expect(copyText(text)).toBe(text);
});

group("error handlers", () => {
  /** What is written to the console while `run` runs: the first argument of each call. */
  function logged(run: () => void): unknown[] {
    const spy = vi.spyOn(console, "error").mockReturnValue();
    onTestFinished(() => spy.mockRestore());
    run();
    return spy.mock.calls.map(([first]) => first as unknown);
  }

  test("name the failure on the console", () => {
    const report = reportOnConsole("a chunked response failed");
    expect(logged(() => report(new Error("lost")))).toEqual(["comet-sockets: a chunked response failed:"]);
  });

  test("of a hub name the failure by its code", () => {
    const lines = logged(() => {
      reportHubError(new CometError("ERR_BROKER", "The broker is lost."));
      reportHubError(new CometError("ERR_OPTION", "An option is wrong."));
      reportHubError(new Error("lost"));
    });
    expect(lines).toEqual([
      "comet-sockets: the broker failed (ERR_BROKER):",
      "comet-sockets: a callback of the application, or the client of the broker, failed (ERR_OPTION):",
      "comet-sockets: a callback of the application, or the client of the broker, failed:",
    ]);
  });

  test("may throw without effect: the console gets both errors", () => {
    const [own, given] = [new Error("own"), new Error("given")];
    const spy = vi.spyOn(console, "error").mockReturnValue();
    onTestFinished(() => spy.mockRestore());
    guardOnError(() => {
      throw own;
    })(given);
    expect(spy.mock.calls).toEqual([["comet-sockets: onError failed:", own, given]]);
  });

  test("may reject without effect", async () => {
    const spy = vi.spyOn(console, "error").mockReturnValue();
    onTestFinished(() => spy.mockRestore());
    guardOnError(() => Promise.reject(new Error("own")) as never)(new Error("given"));
    await Promise.resolve();
    await Promise.resolve();
    expect(spy).toHaveBeenCalledOnce();
  });
});
