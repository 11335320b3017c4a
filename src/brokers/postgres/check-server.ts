import { CometError } from "../../core/errors.ts";
import { LAYOUT, inSchema, postgresMigration } from "./migration.ts";
import type { PostgresSettings } from "./postgres-broker-options.ts";
import type { Rows } from "./postgres-connection.ts";
import { sqlStateOf } from "./sql-errors.ts";

/** Runs a statement on the new connection. */
export type Run = (text: string, values?: unknown[]) => Promise<Rows>;

/** The oldest supported version of PostgreSQL, as in `server_version_num`: that of `xid8` and `pg_current_xact_id`. */
const OLDEST = 130_000;

/** The functions that a hub calls. */
const functions = [
  "check_server(text)",
  "publish(integer,json)",
  "follow(json)",
  "keep(json)",
  "fetch(json,json,integer,integer)",
  "read(text,bigint,bigint,bigint,bigint,integer,integer)",
  "renew(text,text)",
  "acquire(text,text,bigint,boolean,bigint)",
  "renew_lease(text,text,bigint)",
  "delete(text)",
  "clean(json,integer)",
  "sweep(integer,integer,bigint,bigint)",
];

/**
 * Checks that the server is new enough and writable, and that the schema has the tables and functions of this version, which the user
 * may use. Creates them if they are missing and the settings allow it.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG`; and any error of the connection.
 */
export async function checkServer(run: Run, settings: PostgresSettings): Promise<void> {
  const { schema, migrate } = settings;
  const [server] = await run(
    "SELECT current_setting('server_version_num')::text AS version, current_setting('server_version')::text AS name, " +
      "current_setting('server_encoding')::text AS encoding, pg_is_in_recovery()::text AS standby",
    [],
  );
  const { version, name, encoding, standby } = (server ?? {}) as Partial<Record<string, string>>;
  if (!(Number(version) >= OLDEST)) {
    throw configError(`This is PostgreSQL ${String(name)}: it must be version 13 or newer.`);
  }
  if (encoding !== "UTF8") {
    throw configError(`The encoding of the database is ${String(encoding)}: create a database with the encoding UTF8.`);
  }
  if (standby === "true") throw new CometError("ERR_BROKER", "This server is a standby, which cannot be written to.");
  let layout = await layoutOf(run, schema);
  if (layout === undefined && migrate) {
    await create(run, schema);
    layout = await layoutOf(run, schema);
  }
  if (layout === undefined) throw configError(missing(schema, "Its creation is switched off by migrate: false."));
  if (layout !== LAYOUT) {
    throw configError(
      `The schema ${schema} is of another version of comet-sockets (${layout}, not ${LAYOUT}): ` +
        (layout > LAYOUT ? "update this process, or set another schema." : "set another schema."),
    );
  }
  await checkRights(run, schema);
  const [control] = await run("SELECT system_identifier::text AS id FROM pg_control_system()", []);
  await run(inSchema("SELECT comet.check_server($1)::text", schema), [control?.["id"]]);
}

/** The version of the layout that the schema has; undefined if there is none. */
async function layoutOf(run: Run, schema: string): Promise<number | undefined> {
  const [found] = await run(
    "SELECT n.oid::text AS schema, has_schema_privilege(n.oid, 'USAGE')::text AS usage, " +
      "(SELECT count(*)::text FROM pg_class c WHERE c.relnamespace = n.oid) AS relations, " +
      "(SELECT p.oid::text FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'layout') AS layout " +
      "FROM pg_namespace n WHERE n.nspname = $1",
    [schema],
  );
  if (found === undefined) return undefined;
  if (found["layout"] === null) {
    if (found["relations"] === "0") return undefined;
    throw configError(
      `The schema ${schema} has tables, and none of comet-sockets: set another schema, or remove what does not belong there.`,
    );
  }
  if (found["usage"] !== "true")
    throw configError(`The user lacks a right: GRANT USAGE ON SCHEMA ${schema} TO CURRENT_USER.`);
  const [answer] = await run(inSchema("SELECT comet.layout()::text AS layout", schema), []);
  return Number(answer?.["layout"]);
}

async function create(run: Run, schema: string): Promise<void> {
  try {
    await run(postgresMigration(schema));
  } catch (error) {
    if (sqlStateOf(error) !== "42501") throw error;
    // The transaction of the migration is still open.
    await run("ROLLBACK");
    const reason = `The user may not create it: ${error instanceof Error ? error.message : ""}.`;
    throw configError(missing(schema, reason), error);
  }
}

async function checkRights(run: Run, schema: string): Promise<void> {
  const rows = await run(
    "SELECT f AS function FROM json_array_elements_text($2::text::json) f " +
      "WHERE NOT coalesce(has_function_privilege(to_regprocedure(quote_ident($1) || '.' || f), 'EXECUTE'), false)",
    [schema, JSON.stringify(functions)],
  );
  if (rows.length === 0) return;
  const names = rows.map((row) => String(row["function"])).join(", ");
  throw configError(
    `The user may not execute these functions of the schema ${schema}, or they are missing: ${names}. ` +
      `As their owner, run: GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO the user.`,
  );
}

function missing(schema: string, reason: string): string {
  return (
    `The tables of comet-sockets are missing in the schema ${schema}. ${reason} Run the text of postgresMigration("${schema}") ` +
    "as a user who may create schemas, and grant this one what docs/brokers.md lists."
  );
}

function configError(message: string, cause?: unknown): CometError {
  return new CometError("ERR_BROKER_CONFIG", message, { cause });
}
