import { CometError } from "../../core/errors.ts";

/** States of errors that the server will return again as it is configured: rights, names, authentication, a missing function. */
const settled = /^(?:28|42|3D|3F|0A)/;
/** States of errors of a connection that ends, or of a server whose outcome is unknown. */
const unknown = /^(?:08|57P|58|XX|40003)/;
/** States after which only a new connection helps: the server has become a standby, or is shutting down. */
const moved = /^(?:25006|57P|08)/;

/** The SQLSTATE of an error of the server; undefined for errors of the client. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === "string" && typeof severity === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Whether the connection cannot be used any more. Every error that is not of the server ends it. */
export function isFatal(error: unknown): boolean {
  const state = sqlStateOf(error);
  return (
    state === undefined || moved.test(state) || ["FATAL", "PANIC"].includes((error as { severity: string }).severity)
  );
}

/** The error of a statement that was to change nothing: `ERR_BROKER_CONFIG` if the server refuses it, `ERR_BROKER` otherwise. */
export function brokerError(action: string, error: unknown): CometError {
  if (error instanceof CometError) return error;
  const state = sqlStateOf(error);
  if (state !== undefined && settled.test(state)) {
    const message = `PostgreSQL refuses to ${action}: ${messageOf(error)} (${state})`;
    return new CometError("ERR_BROKER_CONFIG", message, { cause: error });
  }
  return new CometError("ERR_BROKER", `PostgreSQL did not ${action}: ${messageOf(error)}`, { cause: error });
}

/**
 * The error of a statement that was to change something: `ERR_UNACKNOWLEDGED` unless the server is known to have rolled it back. Any
 * other error must not become `ERR_BROKER` here: the application would publish a message twice.
 */
export function writeError(action: string, error: unknown): CometError {
  if (error instanceof CometError) return error;
  const state = sqlStateOf(error);
  if (state !== undefined && !unknown.test(state) && (error as { severity: string }).severity === "ERROR") {
    return brokerError(action, error);
  }
  const message = `PostgreSQL did not acknowledge: ${action}: ${messageOf(error)}`;
  return new CometError("ERR_UNACKNOWLEDGED", message, { cause: error });
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
