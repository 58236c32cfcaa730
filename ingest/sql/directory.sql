-- The register as ingest needs it.

-- name: stamp
-- Another one whenever a change of the register was committed, in whatever order changes began: a changed row bears its own
-- transaction's number, which is higher than any that was there when it was made.
select
    (select (count(*), sum(xmin::text::bigint)) from lift), (select (count(*), sum(xmin::text::bigint)) from device),
    (select (count(*), sum(xmin::text::bigint)) from gateway_lift)

-- name: lifts
select id, rescue_code, kind, rated_speed_m_s, exercise, parameters, floors, probe from lift

-- name: devices
-- Who speaks for what. What a revoked device sends goes to the quarantine.
select id, device, shard, lift_id, revoked_at is not null as revoked from device

-- name: device_lifts
-- The lifts that a device may name in its records: a gateway's, or a terminal's only one.
select g.device_id, g.lift_id, l.rescue_code
from gateway_lift g join lift l on l.id = g.lift_id
where l.rescue_code is not null
union all
select d.id, d.lift_id, l.rescue_code
from device d join lift l on l.id = d.lift_id
where l.rescue_code is not null

-- name: labels
select id, label from floor_label
