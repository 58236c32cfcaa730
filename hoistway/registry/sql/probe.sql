-- The platform's own lift and terminal.

-- name: probe_lift
insert into lift (kind, name, exercise, probe) values ('lift', 'hoistway probe', true, true) on conflict do nothing

-- name: probe_device
-- Let in again if somebody shut it out: a platform without its probe does not notice its own death.
insert into device (device, shard, lift_id) select $1, $2, id from lift where probe
on conflict (device) do update set revoked_at = null where device.revoked_at is not null

-- name: is_probe
select exists (select 1 from device d join lift l on l.id = d.lift_id where d.device = $1 and l.probe)
