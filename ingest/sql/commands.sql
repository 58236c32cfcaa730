-- Commands that dispatch wrote for terminals.

-- name: take_commands
-- What nobody has published yet. Taken for half a minute: a process that was killed meanwhile leaves it to the next one.
with due as (
    select id from device_command
    where published_at is null and expires_at > clock_timestamp() and (taken_until is null or taken_until <= clock_timestamp())
    order by id limit $1 for update skip locked
)
update device_command c set taken_until = clock_timestamp() + interval '30 seconds'
from due, device d where c.id = due.id and d.id = c.device_id and d.revoked_at is null
returning c.id, c.key, c.command, d.device, d.shard

-- name: commands_published
update device_command set published_at = clock_timestamp() where id = any($1::bigint[]) and published_at is null
