-- What looked like an intruder, and certificates that end, for people who look after the door.

-- name: security_events
-- One page, newest first: a row is made when its hour begins and counts up within it.
select e.id, e.kind, nullif(e.device, '') as device, e.lift_id, lift.name as lift, e.first_at, e.last_at, e.times, e.detail
from security_event e left join lift on lift.id = e.lift_id
where ($1::text is null or e.kind = $1) and ($2::text is null or e.device = $2) and ($3::bigint is null or e.id < $3)
order by e.id desc
limit $4
