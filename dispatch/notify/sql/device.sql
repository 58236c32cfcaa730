-- Commands to terminals, as rows that ingest publishes.

-- name: command
-- The command of this key, made at the first look. A revoked device gets none.
with made as (
    insert into device_command (key, device_id, command, created_at, expires_at)
    select $1, id, $3, $4, $5 from device where device = $2 and revoked_at is null
    on conflict (key, device_id) do nothing
    returning published_at
)
select published_at from made
union all
select c.published_at from device_command c join device d on d.id = c.device_id where c.key = $1 and d.device = $2
