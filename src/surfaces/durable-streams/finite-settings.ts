import { CometError } from "../../core/errors.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import type { FiniteSettings } from "../../hub/topics/finite-life.ts";

/** Returns how the topic of a stream ends. @throws {CometError} `ERR_CONFLICT` if the application declares it as endless. */
export function finiteSettings({ topics }: SurfaceAccess, name: string, ttlMs: number): FiniteSettings {
  return openStream(() => topics.declaration(name, { finite: true, ttlMs }) as FiniteSettings);
}

/** Runs a step that fails if the topic of a stream is endless. @throws {CometError} `ERR_CONFLICT` then. */
export function openStream<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (!(cause instanceof CometError && cause.code === "ERR_OPTION")) throw cause;
    throw new CometError("ERR_CONFLICT", "The application has an endless topic of this name.", { cause });
  }
}
