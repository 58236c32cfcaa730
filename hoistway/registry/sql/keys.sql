-- Keys of devices: given, changed, taken away, and by whom.

-- name: person
-- Whoever acts is a person who may log in.
select 1 from person where name = $1 and disabled_at is null;

-- name: hold_device
-- One act on a device at a time.
select device.id, device.device, device.shard, device.revoked_at, device_key.id as key_id
from device left join device_key on device_key.device_id = device.id and device_key.ended_at is null
where device.device = $1
for update of device;

-- name: lift_for_device
-- The lift that a new device shall speak for, and the shards of those that speak for it already.
select lift.id, coalesce(lift.register_code, lift.rescue_code) as key,
    array(
        select shard from device where device.lift_id = lift.id and device.revoked_at is null
        union
        select shard from gateway_lift join device on device.id = gateway_lift.device_id
        where gateway_lift.lift_id = lift.id and device.revoked_at is null
    ) as shards
from lift where lift.rescue_code = $1 or lift.register_code = $1;

-- name: new_device
insert into device (device, shard, lift_id) values ($1, $2, $3);

-- name: end_key
update device_key set ended_at = now() where device_id = $1 and ended_at is null;

-- name: new_key
insert into device_key (device_id, password_hash) values ($1, $2);

-- name: let_in
update device set revoked_at = null where id = $1;

-- name: shut_out
update device set revoked_at = now() where id = $1;

-- name: note_act
insert into device_act (device_id, act, person, reason) values ($1, $2, $3, $4);

-- name: list_keys
-- Keyset page in order of name, with the last act and the last word of each device.
select device.device, device.shard, device.lift_id is null as gateway, device.revoked_at, device_key.issued_at,
    link.online, link.received as heard_at, act.act, act.person, act.at, act.reason
from device
left join device_key on device_key.device_id = device.id and device_key.ended_at is null
left join link on link.device_id = device.id
left join lateral (
    select * from device_act where device_act.device_id = device.id order by device_act.id desc limit 1
) act on true
where device.device > $1 order by device.device limit $2;

-- name: accounts
-- Every device that ever had a key, or that lost its access: what the broker shall know of it.
select device.device, device_key.password_hash
from device left join device_key on device_key.device_id = device.id and device_key.ended_at is null
    and device.revoked_at is null
where device.revoked_at is not null or exists (select from device_key k where k.device_id = device.id)
order by device.device;

-- name: security_events
select kind, device, first_at, last_at, times, detail from security_event
where last_at >= now() - make_interval(hours => $1) order by last_at desc limit $2;
