-- How one gets to a lift.

-- name: access
-- One row for every lift in scope, empty while nothing is known.
select l.id as lift_id, coalesce(a.gate_code, '') as gate_code, coalesce(a.keys, '') as keys,
    coalesce(a.machine_room, '') as machine_room, coalesce(a.guard, '') as guard, coalesce(a.guard_phone, '') as guard_phone,
    a.updated_at, a.updated_by, coalesce(a.version, 0) as version
from lift l left join lift_access a on a.lift_id = l.id
where l.id = $2 and in_scope(l.firm_id, l.probe, $1)

-- name: lock_lift
-- Two writers of one lift go one after the other, also when there is no row yet. Keys of other tables are not held up.
select id from lift where id = $1 for no key update

-- name: set_access
insert into lift_access (lift_id, gate_code, keys, machine_room, guard, guard_phone, updated_at, updated_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (lift_id) do update set gate_code = excluded.gate_code, keys = excluded.keys, machine_room = excluded.machine_room,
    guard = excluded.guard, guard_phone = excluded.guard_phone, updated_at = excluded.updated_at,
    updated_by = excluded.updated_by, version = lift_access.version + 1
