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
insert into device_key (device_id, password_hash, certificate_serial, certificate_sha256, expires_at)
values ($1, $2, $3, $4, $5);

-- name: let_in
update device set revoked_at = null where id = $1;

-- name: shut_out
update device set revoked_at = now() where id = $1;

-- name: note_act
insert into device_act (device_id, act, person, reason) values ($1, $2, $3, $4);

-- name: list_keys
-- Keyset page in order of name, with the last act and the last word of each device.
select device.device, device.shard, device.lift_id is null as gateway, device.revoked_at, device_key.issued_at, device_key.expires_at,
    link.online, link.received as heard_at, act.act, act.person, act.at, act.reason
from device
left join device_key on device_key.device_id = device.id and device_key.ended_at is null
left join link on link.device_id = device.id
left join lateral (
    select * from device_act where device_act.device_id = device.id order by device_act.id desc limit 1
) act on true
where device.device > $1 and not exists (select 1 from lift where lift.id = device.lift_id and lift.probe)
order by device.device limit $2;

-- name: accounts
-- Every device that ever had a key, or that lost its access: what the broker shall know of it.
select device.device, device_key.password_hash
from device left join device_key on device_key.device_id = device.id and device_key.ended_at is null
    and device.revoked_at is null
where device.revoked_at is not null or exists (select from device_key k where k.device_id = device.id)
order by device.device;

-- name: certificates
-- Of devices that have access; the soonest to end first.
select device.device, certificate_serial, certificate_sha256, issued_at, expires_at, expires_at <= now() as ended
from device_key join device on device.id = device_key.device_id
where ended_at is null and certificate_serial is not null and device.revoked_at is null
    and ($1::interval is null or expires_at <= now() + $1)
order by expires_at, device.device limit $2;

-- name: next_revocation_list
-- Five minutes back for clocks that are behind; a second later than the last, because dates of lists have whole seconds.
insert into device_crl as c (number, this_update) values (1, date_trunc('second', now() - interval '5 min'))
on conflict (only_one) do update
set number = c.number + 1, this_update = greatest(excluded.this_update, c.this_update + interval '1 s')
returning number, this_update;

-- name: ended_certificates
-- What time alone refuses need not be named.
select certificate_serial, ended_at from device_key
where ended_at is not null and certificate_serial is not null and expires_at > now() - interval '1 day'
order by ended_at, certificate_serial;

-- name: security_events
select kind, device, first_at, last_at, times, detail from security_event
where last_at >= now() - make_interval(hours => $1) order by last_at desc limit $2;
