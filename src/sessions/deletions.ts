import { sql } from "drizzle-orm";
import type { Key, PackedRecords } from "./bulk.ts";
import { apiTokens, nextChange, sessions, users } from "./schema.ts";

/** A user whom their source has deleted. */
export interface Deletion {
  kind: "deleted_user";
  user: Key;
}

/**
 * Prepares deletions for storing: of each user stays a row in the state `deleted` without names, which keeps their
 * tokens from working and sessions that name them from bringing them back. Their open sessions, expired ones included,
 * are ended by nobody with the reason `user_deleted`, their API tokens erased.
 *
 * What is gone already is not touched; a user who is deleted twice is so once.
 */
export function packDeletions(deletions: readonly Deletion[]): PackedRecords {
  const instanceIds = deletions.map(({ user }) => user.instanceId);
  const ids = deletions.map(({ user }) => user.id);
  const given = sql`
    select distinct * from unnest(${sql.param(instanceIds)}::text[], ${sql.param(ids)}::text[]) as g (instance_id, id)`;
  // Not now(): that is when it began to wait for others, who have changed the sessions since. And one for all of it.
  const at = sql`greatest(${sessions.changedAt}, statement_timestamp())`;
  // `offset 0` makes it look up the sessions user by user; as a plain join, PostgreSQL may read the whole table for each
  // batch. They are locked in one order before they are ended, as by whoever else ends many.
  return {
    // Whoever opens a session holds its user until it is stored: the statement must begin only then, to see it.
    lock: sql`
      select 1 from ${users} where (instance_id, id) in (${given}) order by instance_id, id for no key update`,
    statement: sql`
      with given as (${given}), deleted_users as (
        insert into ${users}
          (instance_id, id, organization_id, user_name, login_name, display_name, avatar_url, state)
        select instance_id, id, '', '', '', '', '', 'deleted' from given order by instance_id, id
        on conflict (instance_id, id) do update set
          user_name = '', login_name = '', display_name = '', avatar_url = '', state = 'deleted',
          traits = null, metadata_public = null, available_aal = null, changed_at = default
        where (${users.userName}, ${users.loginName}, ${users.displayName}, ${users.avatarUrl}, ${users.state},
            ${users.traits}, ${users.metadataPublic}, ${users.availableAal})
          is distinct from ('', '', '', '', 'deleted', null, null, null)
        returning instance_id, id
      ), found as (
        select theirs.* from given cross join lateral (
          select instance_id, id, user_id from ${sessions}
          where (instance_id, user_id) = (given.instance_id, given.id) and ended_at is null offset 0
        ) as theirs
      ), locked as (
        select ${sessions.instanceId}, ${sessions.id} from ${sessions}
        join found on (found.instance_id, found.id) = (${sessions.instanceId}, ${sessions.id})
        where ${sessions.userId} = found.user_id and ${sessions.endedAt} is null
        order by ${sessions.instanceId}, ${sessions.id} for update of ${sessions}
      ), ended as (
        update ${sessions} set ended_at = ${at}, end_reason = 'user_deleted', ended_by = null, changed_at = ${at},
          sequence = ${nextChange}
        from locked where (locked.instance_id, locked.id) = (${sessions.instanceId}, ${sessions.id})
        returning ${sessions.instanceId}, ${sessions.userId}
      ), erased_tokens as (
        delete from ${apiTokens} using given
        where (${apiTokens.instanceId}, ${apiTokens.userId}) = (given.instance_id, given.id)
        returning ${apiTokens.instanceId}, ${apiTokens.userId}
      )
      select (select count(*)::int from deleted_users) as "users",
        0 as "namedUsers",
        (select count(*)::int from ended) as "sessions",
        (select count(*)::int from (
          select * from deleted_users union select * from ended union select * from erased_tokens
        ) as changed) as "changed"`,
  };
}
