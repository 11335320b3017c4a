/** The functions that add messages to topics: for a hub, and at the commit of an application's transaction. */
export const appendSql = `
CREATE OR REPLACE FUNCTION comet.clock() RETURNS bigint LANGUAGE sql AS
  $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE OR REPLACE FUNCTION comet.timeline() RETURNS text LANGUAGE sql AS
  $$ SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) $$;

-- Begins another epoch of all topics if this is not the cluster, or not the timeline, that wrote the present ones.
CREATE OR REPLACE FUNCTION comet.check_server(p_system_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM comet.server s WHERE s.timeline = comet.timeline() AND s.system_id = coalesce(p_system_id, s.system_id)) THEN
    RETURN;
  END IF;
  PERFORM FROM comet.server s FOR UPDATE;
  IF EXISTS (SELECT FROM comet.server s WHERE s.timeline = comet.timeline() AND s.system_id = coalesce(p_system_id, s.system_id)) THEN
    RETURN;
  END IF;
  PERFORM FROM comet.topic t ORDER BY t.name FOR UPDATE;
  UPDATE comet.topic SET epoch = DEFAULT, previous_epoch = NULL, floor = head, start = head, floor_total = total,
    base = CASE WHEN ended IS NULL THEN base ELSE head END,
    ttl = CASE WHEN ended IS NULL THEN ttl END,
    ended = NULL;
  UPDATE comet.server SET timeline = comet.timeline(), system_id = coalesce(p_system_id, system_id);
END $$;

-- Locks the row of a topic until the end of the transaction. Creates it where it is missing. Begins it anew if it has expired.
CREATE OR REPLACE FUNCTION comet.lock_topic(p_name text) RETURNS comet.topic
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t comet.topic;
  clock bigint := comet.clock();
BEGIN
  IF (SELECT s.timeline FROM comet.server s) <> comet.timeline() THEN PERFORM comet.check_server(NULL); END IF;
  LOOP
    SELECT * INTO t FROM comet.topic WHERE name = p_name FOR NO KEY UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO comet.topic (name) VALUES (p_name) ON CONFLICT (name) DO NOTHING;
  END LOOP;
  -- A clock may be set back, but not by years.
  IF t.at > clock + 31536000000 THEN t.at := clock; END IF;
  t.used := greatest(clock, t.at);
  IF t.ended IS NOT NULL AND t.used - t.ended > t.ttl THEN t := comet.cleared(t); END IF;
  RETURN t;
END $$;

-- The row of a topic with another, empty epoch.
CREATE OR REPLACE FUNCTION comet.renewed(t comet.topic) RETURNS comet.topic LANGUAGE plpgsql AS $$
BEGIN
  t.previous_epoch := t.epoch;
  t.epoch := substr(replace(gen_random_uuid()::text, '-', ''), 1, 16);
  t.floor := t.head;
  t.start := t.head;
  t.floor_total := t.total;
  RETURN t;
END $$;

-- The row of a topic as it is after a deletion.
CREATE OR REPLACE FUNCTION comet.cleared(t comet.topic) RETURNS comet.topic LANGUAGE plpgsql AS $$
BEGIN
  t := comet.renewed(t);
  t.base := t.head;
  t.ttl := NULL;
  t.ended := NULL;
  t.lease := NULL;
  t.fence := NULL;
  RETURN t;
END $$;

CREATE OR REPLACE FUNCTION comet.save_topic(t comet.topic) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE comet.topic SET head = t.head, floor = t.floor, base = t.base, start = t.start, total = t.total, floor_total = t.floor_total, at = t.at,
    used = t.used, max_entries = t.max_entries, max_bytes = t.max_bytes, max_age = t.max_age, ttl = t.ttl, ended = t.ended,
    lease = t.lease, fence = t.fence, sent = t.sent, epoch = t.epoch, previous_epoch = t.previous_epoch
  WHERE id = t.id;
END $$;

-- Rows are always found by an index: a plan that was made while a table was small must not scan it once it is large. With scans
-- disabled, plans look expensive, and would be compiled.
--
-- Adds messages to one topic, and raises its floor when it exceeds its bounds by a sixteenth.
--
-- p_kind is empty, 'end' for an end (p_ended, with one empty json), or 'settle' for an end if the lease has lapsed.
-- Answers { w, i, e, n, a, d }: a word if it published nothing ('ended', 'lost', 'none', 'left' with ms), the topic's id, the epoch, the
-- number of the first message, the time, and, if there are message ids, the epoch and number of each message.
CREATE OR REPLACE FUNCTION comet.append(
  p_topic text, p_jsons text[], p_events text[], p_keys text[], p_ids text[],
  p_max_entries bigint, p_max_bytes bigint, p_max_age bigint, p_ttl bigint, p_kind text, p_ended text, p_fence text, p_order bigint
) RETURNS json LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
  t comet.topic := comet.lock_topic(p_topic);
  word text;
  before bigint := t.head;
  fresh bigint[];
  bytes bigint;
  added bigint := cardinality(p_jsons);
  positions json;
  room bigint;
  newest bigint;
  reached bigint;
  reached_total bigint;
BEGIN
  IF p_kind = 'settle' THEN
    IF t.lease IS NULL THEN RETURN json_build_object('w', 'none'); END IF;
    IF t.lease > t.used THEN RETURN json_build_object('w', 'left', 'ms', t.lease - t.used); END IF;
  END IF;
  IF t.ended IS NOT NULL THEN word := 'ended';
  ELSIF p_fence IS NOT NULL AND (t.fence = p_fence AND t.lease > t.used AND t.sent = coalesce(p_order, t.sent)) IS NOT TRUE THEN
    word := 'lost';
  END IF;
  IF p_ids IS NULL AND word IS NOT NULL THEN RETURN json_build_object('w', word); END IF;

  IF p_ids IS NOT NULL THEN
    SELECT coalesce(array_agg(y.i ORDER BY y.i) FILTER (WHERE y.number IS NULL AND y.place = 1), '{}') INTO fresh
    FROM (
      SELECT x.i, s.number, CASE WHEN x.id IS NULL THEN 1 ELSE row_number() OVER (PARTITION BY x.id ORDER BY x.i) END AS place
      FROM unnest(p_ids) WITH ORDINALITY AS x (id, i)
      LEFT JOIN LATERAL (
        SELECT s.number FROM comet.seen s
        WHERE s.topic = t.id AND s.message_id = x.id AND s.until >= t.used AND s.number > t.base LIMIT 1
      ) s ON true
    ) y;
    IF word IS NOT NULL THEN fresh := '{}'; END IF;
    added := cardinality(fresh);
  END IF;

  IF added > 0 THEN
    t.at := t.used;
    t.max_entries := coalesce(p_max_entries, t.max_entries, 4096);
    t.max_bytes := coalesce(p_max_bytes, t.max_bytes, 4194304);
    t.max_age := coalesce(p_max_age, t.max_age, 300000);
    t.ttl := coalesce(p_ttl, t.ttl);
    -- Rows that another program has put after the newest message.
    DELETE FROM comet.message m WHERE m.topic = t.id AND m.number > t.head;
    WITH x AS (
      SELECT y.json, y.event, y.key, y.id, row_number() OVER (ORDER BY y.i) AS place, octet_length(y.json) AS size
      FROM unnest(p_jsons, p_events, p_keys, p_ids) WITH ORDINALITY AS y (json, event, key, id, i)
      WHERE fresh IS NULL OR y.i IN (SELECT unnest(fresh))
    ), inserted AS (
      INSERT INTO comet.message (topic, number, at, before, event, key, message_id, ended, json)
      SELECT t.id, t.head + x.place, t.at, t.total + sum(x.size) OVER (ORDER BY x.place) - x.size, x.event, x.key, x.id, p_ended, x.json
      FROM x
    ), remembered AS (
      INSERT INTO comet.seen (topic, number, until, epoch, message_id)
      SELECT t.id, t.head + x.place, t.at + coalesce(t.ttl, t.max_age), t.epoch, x.id FROM x WHERE x.id IS NOT NULL
      ON CONFLICT (topic, message_id) DO UPDATE SET number = EXCLUDED.number, until = EXCLUDED.until, epoch = EXCLUDED.epoch
    )
    SELECT sum(x.size) INTO bytes FROM x;
    t.head := t.head + added;
    t.total := t.total + bytes;
    IF p_order IS NOT NULL THEN t.sent := p_order + cardinality(p_jsons); END IF;
    newest := t.head;
    room := t.max_entries;
    IF p_kind <> '' AND t.ttl IS NOT NULL THEN
      t.ended := t.at;
      t.lease := NULL;
      t.fence := NULL;
      newest := t.head - 1;
      room := room + 1;
    END IF;
    IF t.head - t.floor > room + room / 16 OR t.total - t.floor_total > t.max_bytes + t.max_bytes / 16 THEN
      SELECT m.number - 1, m.before INTO reached, reached_total FROM comet.message m
      WHERE m.topic = t.id AND m.number > greatest(t.floor, t.head - room) AND m.number <= t.head
        AND (t.total - m.before <= t.max_bytes OR m.number >= newest)
      ORDER BY m.number LIMIT 1;
      IF reached IS NOT NULL THEN
        t.floor := reached;
        t.floor_total := greatest(t.floor_total, least(reached_total, t.total));
      END IF;
    END IF;
    PERFORM comet.save_topic(t);
  END IF;

  IF p_ids IS NOT NULL THEN
    SELECT json_agg(CASE
        WHEN x.id IS NULL AND f.place IS NULL THEN NULL
        WHEN x.id IS NULL THEN json_build_array(t.epoch, before + f.place)
        WHEN s.number IS NOT NULL THEN json_build_array(s.epoch, s.number)
      END ORDER BY x.i) INTO positions
    FROM unnest(p_ids) WITH ORDINALITY AS x (id, i)
    LEFT JOIN unnest(fresh) WITH ORDINALITY AS f (i, place) ON f.i = x.i
    LEFT JOIN LATERAL (
      SELECT s.number, s.epoch FROM comet.seen s
      WHERE s.topic = t.id AND s.message_id = x.id AND s.until >= t.used AND s.number > t.base LIMIT 1
    ) s ON true;
  END IF;
  RETURN json_build_object('w', word, 'i', t.id, 'e', t.epoch, 'n', before + 1, 'a', t.at, 'd', positions, 'c', added);
END $$;

-- Publishes what a hub has gathered: a list of { t, j, e, k, m, b, x, d, f, o }, each of which has the arguments of append. Topics are locked
-- in the order of their names. Answers a list of [place, answer of append]. Waits for each locked topic for p_lock_ms.
CREATE OR REPLACE FUNCTION comet.publish(p_lock_ms integer, p_runs json) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r json;
  place bigint;
  answers json[] := '{}';
BEGIN
  PERFORM set_config('lock_timeout', p_lock_ms::text, true);
  FOR place, r IN
    SELECT x.place, x.value FROM json_array_elements(p_runs) WITH ORDINALITY AS x (value, place)
    ORDER BY (x.value ->> 't') COLLATE "C", x.place
  LOOP
    answers := answers || json_build_array(place - 1, comet.append(
      r ->> 't',
      ARRAY(SELECT json_array_elements_text(r -> 'j')),
      CASE WHEN json_typeof(r -> 'e') = 'array' THEN ARRAY(SELECT json_array_elements_text(r -> 'e')) END,
      CASE WHEN json_typeof(r -> 'k') = 'array' THEN ARRAY(SELECT json_array_elements_text(r -> 'k')) END,
      CASE WHEN json_typeof(r -> 'm') = 'array' THEN ARRAY(SELECT json_array_elements_text(r -> 'm')) END,
      (r -> 'b' ->> 0)::bigint, (r -> 'b' ->> 1)::bigint, (r -> 'b' ->> 2)::bigint, (r -> 'b' ->> 3)::bigint,
      coalesce(r ->> 'x', ''), r ->> 'd', r ->> 'f', (r ->> 'o')::bigint));
  END LOOP;
  RETURN array_to_json(answers)::text;
END $$;

-- Numbers the publications of a transaction when it commits. The first row handles all rows of the transaction; the others are skipped.
-- Topics are locked in the order of their names, so that two transactions cannot wait for each other.
CREATE OR REPLACE FUNCTION comet.commit_outbox() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own xid8 := pg_current_xact_id();
  last bigint;
  r record;
  answer json;
BEGIN
  IF NEW.seq <= coalesce(nullif(current_setting('comet_outbox.{schema}', true), ''), '0')::bigint THEN RETURN NULL; END IF;
  SELECT max(o.seq) INTO last FROM comet.outbox o WHERE o.xid = own;
  IF last IS NULL THEN RETURN NULL; END IF;
  PERFORM set_config('comet_outbox.{schema}', last::text, true);
  FOR r IN
    SELECT o.topic, array_agg(o.json ORDER BY o.seq) AS jsons, array_agg(o.event ORDER BY o.seq) AS events,
      array_agg(o.key ORDER BY o.seq) AS keys, array_agg(o.message_id ORDER BY o.seq) AS ids, bool_or(o.message_id IS NOT NULL) AS has_ids,
      max(o.max_entries) AS max_entries, max(o.max_bytes) AS max_bytes, max(o.max_age) AS max_age, max(o.ttl) AS ttl
    FROM comet.outbox o WHERE o.xid = own GROUP BY o.topic ORDER BY o.topic
  LOOP
    answer := comet.append(r.topic, r.jsons, r.events, r.keys, CASE WHEN r.has_ids THEN r.ids END,
      r.max_entries, r.max_bytes, r.max_age, r.ttl, '', NULL, NULL, NULL);
    IF answer ->> 'w' = 'ended' AND (NOT r.has_ids OR EXISTS (
      SELECT FROM json_array_elements(answer -> 'd') d WHERE json_typeof(d) = 'null'
    )) THEN
      RAISE EXCEPTION USING ERRCODE = 'CM410', MESSAGE = format('ERR_ENDED: The topic %s has ended.', to_json(r.topic)),
        DETAIL = 'A message of this transaction was published to it, so the transaction is rolled back.',
        HINT = 'Publish to a topic that has not ended, or commit without the message.';
    END IF;
  END LOOP;
  DELETE FROM comet.outbox o WHERE o.xid = own;
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS commit_outbox ON comet.outbox;
CREATE CONSTRAINT TRIGGER commit_outbox AFTER INSERT ON comet.outbox DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION comet.commit_outbox();

-- Removes what belongs to a topic whose row is deleted.
CREATE OR REPLACE FUNCTION comet.forget_topic() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM comet.message WHERE topic = OLD.id;
  DELETE FROM comet.seen WHERE topic = OLD.id;
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS forget_topic ON comet.topic;
CREATE TRIGGER forget_topic AFTER DELETE ON comet.topic FOR EACH ROW EXECUTE FUNCTION comet.forget_topic();
`;
