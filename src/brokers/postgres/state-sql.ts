/** The functions that change the state of topics: epochs, leases, deletion, and the sweep that removes what is trimmed. */
export const stateSql = `
-- Begins another epoch if the present one is p_epoch. Deletes a topic that has ended.
CREATE OR REPLACE FUNCTION comet.renew(p_name text, p_epoch text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '800ms' AS $$
DECLARE
  t comet.topic := comet.lock_topic(p_name);
BEGIN
  IF t.epoch <> p_epoch THEN RETURN; END IF;
  PERFORM comet.save_topic(CASE WHEN t.ended IS NULL THEN comet.renewed(t) ELSE comet.cleared(t) END);
END $$;

-- Gives a producer the lease of a topic. Answers acquired, held or ended.
CREATE OR REPLACE FUNCTION comet.acquire(p_name text, p_fence text, p_lease_ms bigint, p_restart boolean, p_ttl bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '800ms' AS $$
DECLARE
  t comet.topic := comet.lock_topic(p_name);
BEGIN
  IF t.fence = p_fence AND t.lease > t.used THEN RETURN 'acquired'; END IF;
  IF t.lease IS NOT NULL AND (NOT p_restart OR t.lease > t.used) THEN RETURN 'held'; END IF;
  IF p_restart THEN t := comet.cleared(t); END IF;
  IF t.ended IS NOT NULL THEN RETURN 'ended'; END IF;
  t.ttl := p_ttl;
  t.fence := p_fence;
  t.sent := 0;
  t.lease := t.used + p_lease_ms;
  PERFORM comet.save_topic(t);
  RETURN 'acquired';
END $$;

CREATE OR REPLACE FUNCTION comet.renew_lease(p_name text, p_fence text, p_lease_ms bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '800ms' AS $$
DECLARE
  t comet.topic := comet.lock_topic(p_name);
BEGIN
  IF (t.fence = p_fence AND t.lease > t.used) IS NOT TRUE THEN RETURN 'lost'; END IF;
  t.lease := t.used + p_lease_ms;
  PERFORM comet.save_topic(t);
  RETURN 'renewed';
END $$;

-- Deletes a topic. Answers [epoch, number] of its newest entry, or nothing.
CREATE OR REPLACE FUNCTION comet.delete(p_name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '800ms' AS $$
DECLARE
  t comet.topic := comet.lock_topic(p_name);
  newest json;
BEGIN
  IF t.head > t.base THEN newest := json_build_array(t.epoch, t.head); END IF;
  PERFORM comet.save_topic(comet.cleared(t));
  RETURN newest::text;
END $$;

-- Removes the rows of trimmed messages of some topics, at most p_rows. Answers their number. Rows stay for a second, since other processes
-- may be yet to notify their listeners of them.
CREATE OR REPLACE FUNCTION comet.clean(p_ids json, p_rows integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
  removed bigint;
BEGIN
  DELETE FROM comet.message WHERE ctid = ANY (ARRAY(
    SELECT m.ctid FROM json_array_elements_text(p_ids) i CROSS JOIN LATERAL (
      SELECT m.ctid FROM comet.topic t JOIN comet.message m ON m.topic = t.id AND m.number <= t.floor AND m.at < comet.clock() - 1000
      WHERE t.id = i::bigint ORDER BY m.number LIMIT p_rows
    ) m LIMIT p_rows));
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed::text;
END $$;

-- Trims the next topics by age and by their bounds, and forgets those that are empty and have not been used for p_unused_ms. One process
-- does it at a time, and begins anew p_pause_ms after the last topic. Answers 'more', or 'done' if there is nothing to do now.
CREATE OR REPLACE FUNCTION comet.sweep(p_topics integer, p_rows integer, p_pause_ms bigint, p_unused_ms bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
  s comet.server;
  t comet.topic;
  clock bigint := comet.clock();
  done integer := 0;
  removed bigint;
  left_rows bigint := p_rows;
  kept bigint;
  reached bigint;
  reached_total bigint;
BEGIN
  SELECT * INTO s FROM comet.server FOR UPDATE SKIP LOCKED;
  IF NOT FOUND OR (s.swept_to = 0 AND clock - s.swept_at BETWEEN 0 AND p_pause_ms) THEN RETURN 'done'; END IF;
  -- It waits for no lock, so it cannot take part in a deadlock.
  FOR t IN SELECT * FROM comet.topic x WHERE x.id > s.swept_to ORDER BY x.id LIMIT p_topics LOOP
    EXIT WHEN left_rows <= 0;
    SELECT * INTO t FROM comet.topic x WHERE x.id = t.id FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      reached := NULL;
      IF t.ttl IS NOT NULL THEN
        IF (t.ended IS NOT NULL AND clock - t.ended > t.ttl)
          OR (t.ended IS NULL AND clock - greatest(t.at, t.used, coalesce(t.lease, 0)) > greatest(86400000, t.ttl)) THEN
          reached := t.head;
          reached_total := t.total;
        END IF;
      ELSIF t.head > t.floor AND t.max_age IS NOT NULL THEN
        SELECT m.number - 1, m.before INTO reached, reached_total FROM comet.message m
        WHERE m.topic = t.id AND m.number > t.floor AND m.number <= t.head AND m.at >= clock - t.max_age ORDER BY m.number LIMIT 1;
        IF reached IS NULL THEN
          reached := t.head;
          reached_total := t.total;
        END IF;
      END IF;
      IF reached > t.floor THEN
        UPDATE comet.topic SET floor = reached, floor_total = greatest(floor_total, least(reached_total, total)) WHERE id = t.id;
        t.floor := reached;
      END IF;
      DELETE FROM comet.message WHERE ctid = ANY (ARRAY(
        SELECT n.ctid FROM comet.message n
        WHERE n.topic = t.id AND n.number <= t.floor AND n.at < clock - 1000 ORDER BY n.number LIMIT left_rows));
      GET DIAGNOSTICS removed = ROW_COUNT;
      left_rows := left_rows - removed;
      DELETE FROM comet.seen e WHERE e.topic = t.id AND (e.until < clock OR e.number <= t.base);
      kept := p_unused_ms + greatest(coalesce(t.ttl, 0), coalesce(t.max_age, 0));
      IF t.floor = t.head AND left_rows > 0 AND t.name <> '' AND clock - greatest(t.at, t.used, coalesce(t.lease, 0)) > kept THEN
        DELETE FROM comet.topic x WHERE x.id = t.id;
      END IF;
      s.swept_to := t.id;
    END IF;
    done := done + 1;
  END LOOP;
  IF done < p_topics AND left_rows > 0 THEN s.swept_to := 0; END IF;
  UPDATE comet.server SET swept_to = s.swept_to, swept_at = clock;
  RETURN CASE WHEN s.swept_to = 0 THEN 'done' ELSE 'more' END;
END $$;
`;
