-- Changes are numbered before they are committed, so a reader who sees number 7 may see number 6 only later. To let a
-- reader know up to where nothing can come any more, every transaction that numbers changes first holds an advisory
-- lock that tells the highest number that was taken before: its own are all higher. The lock ends right after the
-- transaction has become visible. Nobody ever waits for one of these locks, for all of them are shared.
-- Their keys: 20043 in the upper 16 bits, the number in the lower 48.
-- Numbers that processes of the former version take meanwhile are not held. Undo: SET DEFAULT nextval('change_sequence').
CREATE FUNCTION "next_change"() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF coalesce(current_setting('rollcall.numbers_changes', true), '') = '' THEN
		PERFORM pg_advisory_xact_lock_shared(
			(20043::bigint << 48) | CASE WHEN is_called THEN last_value ELSE last_value - 1 END
		) FROM change_sequence;
		PERFORM set_config('rollcall.numbers_changes', 'yes', true);
	END IF;
	RETURN nextval('change_sequence');
END
$$;
--> statement-breakpoint
CREATE FUNCTION "settled_change"() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	newest bigint;
	held bigint;
BEGIN
	-- In this order: whoever takes a number up to `newest` holds their lock by now, or is done.
	SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END INTO newest FROM change_sequence;
	SELECT min((classid::bigint << 32 | objid::bigint) & ((1::bigint << 48) - 1)) INTO held
	FROM pg_locks
	WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = 20043
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
	RETURN least(newest, held);
END
$$;
--> statement-breakpoint
ALTER TABLE "sessions" ALTER COLUMN "sequence" SET DEFAULT next_change();
