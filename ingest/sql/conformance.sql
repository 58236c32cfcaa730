-- What the check of a device needs of the register.

-- name: device_facts
-- The device with each of its lifts and when that lift's last test call was reported; a test call may be kept for history only.
select
    d.device, d.shard, d.enrolled_at, d.lift_id is null as gateway,
    l.rescue_code, l.kind, l.rated_speed_m_s, l.rated_load_kg,
    (select max(e.at) from event e where e.lift_id = l.id and e.code = 'self-test') as self_test_at
from device d
join lift l on l.id = d.lift_id or l.id in (select g.lift_id from gateway_lift g where g.device_id = d.id)
where d.device = $1 and d.revoked_at is null
order by l.id
