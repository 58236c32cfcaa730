-- Stored telemetry for a tape.

-- name: devices
-- A lift's own terminal; of several the newest that is not revoked.
select distinct on (lift_id) lift_id, device, shard from device
where lift_id = any($1::int[]) order by lift_id, revoked_at is not null, id desc

-- name: labels
select id, label from floor_label

-- name: events
select received, at, lift_id, code, active from event
where lift_id = any($1::int[]) and received >= $2 and received < $3 order by received, ordinal limit $4
