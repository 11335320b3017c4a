/** The functions that read topics: a page of one topic, and the news of all followed ones. */
export const readSql = `
-- Resolves the names of topics that a process follows, and notes that they are used. Answers a list of [id, epoch, head].
CREATE OR REPLACE FUNCTION comet.follow(p_names json) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '800ms' AS $$
BEGIN
  INSERT INTO comet.topic (name)
    SELECT n.name COLLATE "C" FROM json_array_elements_text(p_names) AS n (name)
    WHERE NOT EXISTS (SELECT FROM comet.topic t WHERE t.name = n.name) ORDER BY 1
    ON CONFLICT (name) DO NOTHING;
  RETURN (
    SELECT json_agg(json_build_array(t.id, t.epoch, t.head) ORDER BY n.i)
    FROM json_array_elements_text(p_names) WITH ORDINALITY AS n (name, i) LEFT JOIN comet.topic t ON t.name = n.name
  )::text;
END $$;

-- Notes that topics are used, so that they are not forgotten.
CREATE OR REPLACE FUNCTION comet.keep(p_ids json) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE comet.topic SET used = comet.clock() WHERE id IN (
    SELECT t.id FROM comet.topic t WHERE t.id IN (SELECT i::bigint FROM json_array_elements_text(p_ids) i)
    FOR NO KEY UPDATE SKIP LOCKED
  );
END $$;

-- Reads the messages of followed topics after the numbers that a process has, at most p_entries and about p_bytes. A row without a number
-- has the epoch and the head of a topic with another head, and the number and the epoch before which it began. There is no epoch if the
-- topic is gone. Trimmed messages are read as well while their rows are there.
CREATE OR REPLACE FUNCTION comet.fetch(p_ids json, p_after json, p_entries integer, p_bytes integer)
RETURNS TABLE (topic text, number text, epoch text, head text, at text, event text, key text, message_id text, ended text, json text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH k AS MATERIALIZED (
    SELECT i.v::bigint AS id, a.v::bigint AS after
    FROM json_array_elements_text(p_ids) WITH ORDINALITY AS i (v, o)
    JOIN json_array_elements_text(p_after) WITH ORDINALITY AS a (v, o) USING (o)
  ), t AS MATERIALIZED (
    SELECT k.id, k.after, t.epoch, t.head, t.start, t.previous_epoch FROM k LEFT JOIN comet.topic t ON t.id = k.id WHERE t.id IS NULL OR t.head <> k.after
  ), m AS (
    SELECT x.*, sum(x.size) OVER (ORDER BY x.topic, x.number) - x.size AS before_it FROM (
      SELECT m.topic, m.number, m.at, m.event, m.key, m.message_id, m.ended, m.json, octet_length(m.json) AS size
      FROM t JOIN comet.message m ON m.topic = t.id AND m.number > t.after AND m.number <= t.head
      ORDER BY m.topic, m.number LIMIT p_entries
    ) x
  )
  SELECT t.id::text, NULL, t.epoch, t.head::text, t.start::text, t.previous_epoch, NULL, NULL, NULL, NULL FROM t
  UNION ALL
  (SELECT m.topic::text, m.number::text, NULL, NULL, m.at::text, m.event, m.key, m.message_id, m.ended, m.json
  FROM m WHERE m.before_it < p_bytes ORDER BY m.topic, m.number)
$$;

-- Reads a page of a topic. The first row has the epoch, the floor, the head, the time, and ttl, base and expired of a topic that ends. The
-- other rows have number, time, event, key, message id, end and data of a message. Bounds are those of the reader.
CREATE OR REPLACE FUNCTION comet.read(
  p_name text, p_after bigint, p_max_entries bigint, p_max_bytes bigint, p_max_age bigint, p_entries integer, p_bytes integer
) RETURNS TABLE (c1 text, c2 text, c3 text, c4 text, c5 text, c6 text, c7 text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '800ms' AS $$
DECLARE
  v comet.topic;
BEGIN
  LOOP
    SELECT * INTO v FROM comet.topic WHERE name = p_name;
    EXIT WHEN FOUND;
    INSERT INTO comet.topic (name) VALUES (p_name) ON CONFLICT (name) DO NOTHING;
  END LOOP;
  IF v.head > v.floor AND NOT EXISTS (SELECT FROM comet.message m WHERE m.topic = v.id AND m.number = v.head) THEN
    -- Another program has removed the newest message, unless it has just been trimmed.
    SELECT * INTO v FROM comet.topic WHERE name = p_name FOR NO KEY UPDATE;
    IF v.head > v.floor AND NOT EXISTS (SELECT FROM comet.message m WHERE m.topic = v.id AND m.number = v.head) THEN
      PERFORM comet.renew(p_name, v.epoch);
    END IF;
  END IF;
  RETURN QUERY
  WITH t AS MATERIALIZED (
    SELECT t.*, x.now, t.ended IS NOT NULL AND x.now - t.ended > t.ttl AS expired,
      CASE WHEN t.ended IS NULL THEN t.head ELSE t.head - 1 END AS newest,
      CASE WHEN t.ended IS NULL THEN p_max_entries ELSE p_max_entries + 1 END AS room
    FROM comet.topic t CROSS JOIN LATERAL (SELECT greatest(comet.clock(), t.at) AS now) x WHERE t.name = p_name
  ), f AS MATERIALIZED (
    SELECT CASE WHEN t.expired THEN t.head ELSE coalesce((
      SELECT m.number - 1 FROM comet.message m
      WHERE m.topic = t.id AND m.number > greatest(t.floor, t.head - t.room) AND m.number <= t.head
        AND (t.total - m.before <= p_max_bytes OR m.number >= t.newest)
        AND (t.ttl IS NOT NULL OR p_max_age IS NULL OR m.at >= t.now - p_max_age)
      ORDER BY m.number LIMIT 1), t.head) END AS floor
    FROM t
  ), m AS (
    SELECT x.*, sum(x.size) OVER (ORDER BY x.number) - x.size AS before_it FROM (
      SELECT m.number, m.at, m.event, m.key, m.message_id, m.ended, m.json, octet_length(m.json) AS size
      FROM t CROSS JOIN f JOIN comet.message m ON m.topic = t.id AND m.number > greatest(f.floor, p_after) AND m.number <= t.head
      ORDER BY m.number LIMIT p_entries
    ) x
  )
  SELECT t.epoch, f.floor::text, t.head::text, t.now::text, t.ttl::text, t.base::text, CASE WHEN t.expired THEN 'expired' END FROM t, f
  UNION ALL
  (SELECT m.number::text, m.at::text, m.event, m.key, m.message_id, m.ended, m.json FROM m WHERE m.before_it < p_bytes ORDER BY m.number);
END $$;
`;
