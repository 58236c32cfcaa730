-- The way in to lifts, from a file.

-- name: known
select rescue_code from lift where rescue_code = any($1::text[])

-- name: write
-- An empty text leaves what is there; a row that would stay as it is is left alone.
insert into lift_access (lift_id, gate_code, keys, machine_room, guard, guard_phone, updated_at, updated_by)
select l.id, g.gate_code, g.keys, g.machine_room, g.guard, g.guard_phone, $7, $8
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    as g (rescue_code, gate_code, keys, machine_room, guard, guard_phone)
join lift l on l.rescue_code = g.rescue_code
where g.gate_code || g.keys || g.machine_room || g.guard || g.guard_phone <> ''
order by l.id
on conflict (lift_id) do update set
    gate_code = coalesce(nullif(excluded.gate_code, ''), lift_access.gate_code),
    keys = coalesce(nullif(excluded.keys, ''), lift_access.keys),
    machine_room = coalesce(nullif(excluded.machine_room, ''), lift_access.machine_room),
    guard = coalesce(nullif(excluded.guard, ''), lift_access.guard),
    guard_phone = coalesce(nullif(excluded.guard_phone, ''), lift_access.guard_phone),
    updated_at = excluded.updated_at, updated_by = excluded.updated_by, version = lift_access.version + 1
where (lift_access.gate_code, lift_access.keys, lift_access.machine_room, lift_access.guard, lift_access.guard_phone)
    is distinct from (
        coalesce(nullif(excluded.gate_code, ''), lift_access.gate_code), coalesce(nullif(excluded.keys, ''), lift_access.keys),
        coalesce(nullif(excluded.machine_room, ''), lift_access.machine_room),
        coalesce(nullif(excluded.guard, ''), lift_access.guard), coalesce(nullif(excluded.guard_phone, ''), lift_access.guard_phone)
    )
returning lift_id
