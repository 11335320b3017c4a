/** Creates the tables. `comet.` stands for the name of the schema, in this text and in those of the functions: see `inSchema`. */
export const tablesSql = `
CREATE SCHEMA IF NOT EXISTS {quoted};

-- One row: the version of this layout, the cluster and the timeline that wrote the epochs, and how far the sweep is.
CREATE TABLE IF NOT EXISTS comet.server (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version integer NOT NULL,
  system_id text NOT NULL,
  timeline text NOT NULL,
  swept_to bigint NOT NULL DEFAULT 0,
  swept_at bigint NOT NULL DEFAULT 0
);

-- A topic. Numbers continue from epoch to epoch. Times are milliseconds since 1970 by the clock of this server.
-- The messages with the numbers floor + 1 to head are held. base is the head at which the topic was deleted last, start the head at which
-- its epoch began. Listeners are notified of messages up to start in the previous epoch.
-- total counts the bytes of all messages ever, floor_total those up to floor.
CREATE TABLE IF NOT EXISTS comet.topic (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  head bigint NOT NULL DEFAULT 0,
  floor bigint NOT NULL DEFAULT 0,
  base bigint NOT NULL DEFAULT 0,
  start bigint NOT NULL DEFAULT 0,
  total bigint NOT NULL DEFAULT 0,
  floor_total bigint NOT NULL DEFAULT 0,
  at bigint NOT NULL DEFAULT 0,
  used bigint NOT NULL DEFAULT floor(extract(epoch FROM clock_timestamp()) * 1000),
  max_entries bigint,
  max_bytes bigint,
  max_age bigint,
  ttl bigint,
  ended bigint,
  lease bigint,
  fence text,
  sent bigint NOT NULL DEFAULT 0,
  epoch text NOT NULL DEFAULT substr(replace(gen_random_uuid()::text, '-', ''), 1, 16)
    CHECK (epoch ~ '^[A-Za-z0-9]{1,32}$'),
  previous_epoch text CHECK (previous_epoch ~ '^[A-Za-z0-9]{1,32}$'),
  name text COLLATE "C" NOT NULL UNIQUE CHECK (char_length(name) <= 200),
  CHECK (0 <= base AND base <= start AND start <= floor AND floor <= head AND head < 70368744177664),
  CHECK (0 <= floor_total AND floor_total <= total)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The messages. before counts the bytes of all messages before this one.
CREATE TABLE IF NOT EXISTS comet.message (
  topic bigint NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  before bigint NOT NULL,
  event text,
  key text,
  message_id text,
  ended text,
  json text NOT NULL,
  PRIMARY KEY (topic, number)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0.5,
  autovacuum_analyze_scale_factor = 0.5);

-- The message ids that are remembered, with the position of the first message that had each.
CREATE TABLE IF NOT EXISTS comet.seen (
  topic bigint NOT NULL,
  number bigint NOT NULL CHECK (number > 0),
  until bigint NOT NULL,
  epoch text NOT NULL CHECK (epoch ~ '^[A-Za-z0-9]{1,32}$'),
  message_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (topic, message_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- The publications of transactions that have not committed. A crash of the server empties it, and aborts them.
-- An application needs INSERT on the columns from topic on.
CREATE UNLOGGED TABLE IF NOT EXISTS comet.outbox (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  seq bigint GENERATED ALWAYS AS IDENTITY,
  topic text COLLATE "C" NOT NULL CHECK (char_length(topic) BETWEEN 1 AND 200),
  json text NOT NULL,
  event text CHECK (char_length(event) BETWEEN 1 AND 200),
  key text CHECK (char_length(key) BETWEEN 1 AND 200),
  message_id text CHECK (char_length(message_id) BETWEEN 1 AND 200),
  max_entries bigint CHECK (max_entries > 0),
  max_bytes bigint CHECK (max_bytes > 0),
  max_age bigint CHECK (max_age > 0),
  ttl bigint CHECK (ttl > 0)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX IF NOT EXISTS outbox_xid ON comet.outbox (xid);
`;
