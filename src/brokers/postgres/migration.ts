import { assertForm } from "../network-broker-options.ts";
import { appendSql } from "./append-sql.ts";
import { readSql } from "./read-sql.ts";
import { stateSql } from "./state-sql.ts";
import { tablesSql } from "./tables-sql.ts";

/** The version of the layout of tables and functions. Servers keep it, so a change of either needs another version. */
export const LAYOUT = 2;

const introduction = `-- comet-sockets: tables and functions of postgresBroker, version ${LAYOUT}. It may be run again, and changes no data then.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT pg_advisory_xact_lock(7713, hashtext('{schema}'));
DO $$ BEGIN
  IF to_regclass('comet.server') IS NOT NULL THEN
    IF (SELECT version FROM comet.server) <> ${LAYOUT} THEN
      RAISE EXCEPTION 'The schema {schema} has another version of comet-sockets: set another schema.';
    END IF;
  END IF;
END $$;
`;

const conclusion = `
INSERT INTO comet.server (version, system_id, timeline)
  SELECT ${LAYOUT}, system_identifier::text, comet.timeline() FROM pg_control_system() ON CONFLICT DO NOTHING;
INSERT INTO comet.topic (name) VALUES ('') ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION comet.layout() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ${LAYOUT}';
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {quoted} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION comet.layout() TO PUBLIC;
COMMIT;
`;

/** Checks the name of a schema. @throws {CometError} `ERR_OPTION`. */
export function assertSchema(schema: unknown): string {
  return assertForm(
    "schema",
    schema,
    /^(?!pg_)[a-z_][a-z0-9_]{0,47}$/,
    "1 to 48 lower-case letters, digits and _ that do not begin with a digit or pg_",
  );
}

/**
 * Puts the name of the schema into a text of SQL that is written for the schema `comet`: `comet.` and `{quoted}` become the quoted name,
 * and `{schema}` becomes the bare one.
 */
export function inSchema(sql: string, schema: string): string {
  return sql
    .replace(/\bcomet\./g, `"${schema}".`)
    .replaceAll("{quoted}", `"${schema}"`)
    .replaceAll("{schema}", schema);
}

/**
 * Returns the SQL that creates the tables and functions of {@link postgresBroker}, for an operator to read and to run: by `psql`, or as a
 * migration of the application. It is one transaction, and may be run again.
 *
 * @param schema The option `schema` of `postgresBroker`. @default "comet"
 * @throws {CometError} `ERR_OPTION` if that is not a valid name.
 * @example
 * ```sh
 * node -e 'import("comet-sockets/postgres").then((m) => console.log(m.postgresMigration()))' | psql mydatabase
 * ```
 */
export function postgresMigration(schema = "comet"): string {
  return inSchema(introduction + tablesSql + appendSql + readSql + stateSql + conclusion, assertSchema(schema));
}
