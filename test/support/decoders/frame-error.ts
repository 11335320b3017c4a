import { expect } from "vitest";
import { errorOf } from "../sources.ts";

/** The error of a decoder whose input is no frame of its wire, or a frame that is too long. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** Expects `act` to throw or reject with a {@link FrameError} whose message matches. */
export async function expectFrameError(act: () => unknown, message: RegExp = /./): Promise<void> {
  const error = await errorOf(act);
  expect(error).toBeInstanceOf(FrameError);
  expect((error as FrameError).message).toMatch(message);
}
