-- The register: import in chunks, list, show.

-- name: lock
-- One import at a time; readers and foreign-key checks of other writers are not disturbed.
lock table lift, device, gateway_lift, firm in share row exclusive mode;

-- name: known_lifts
-- Every registered lift that a chunk may mean: by its codes, or through a device it names.
with wanted as (
    select id from lift where register_code = any($1::text[])
    union
    select id from lift where rescue_code = any($2::text[])
    union
    select lift_id from device where device = any($3::text[]) and lift_id is not null
)
select lift.id, lift.kind, lift.register_code, lift.rescue_code, lift.exercise,
    array(
        select shard from device where device.lift_id = lift.id and revoked_at is null
        union
        select shard from gateway_lift join device on device.id = gateway_lift.device_id
        where gateway_lift.lift_id = lift.id and device.revoked_at is null
    ) as shards
from wanted join lift using (id);

-- name: known_devices
select device, shard, lift_id, revoked_at is not null as revoked from device where device = any($1::text[]);

-- name: update_firms
update firm set phone = given.phone
from unnest($1::text[], $2::text[]) as given (name, phone)
where firm.name = given.name and given.phone is not null and firm.phone is distinct from given.phone;

-- name: insert_firms
-- Only the missing ones, so that an import does not use up the firms' small numbers.
insert into firm (name, phone)
select given.name, given.phone from unnest($1::text[], $2::text[]) as given (name, phone)
where not exists (select from firm where firm.name = given.name);

-- name: new_lift_ids
-- Numbers known beforehand, so that devices can name their lifts in the same round.
select nextval(pg_get_serial_sequence('lift', 'id'))::integer as id from generate_series(1, $1);

-- name: insert_lifts
insert into lift (
    id, kind, rescue_code, register_code, name, estate, building, address, district, lon, lat, crs, floors,
    rated_speed_m_s, rated_load_kg, firm_id, user_unit, user_unit_phone, emergency_phone, urban, maker, installed_on,
    feeder, exercise
) overriding system value
select given.id, given.kind, given.rescue_code, given.register_code, given.name, given.estate, given.building,
    given.address, given.district, given.lon, given.lat, coalesce(given.crs, 'WGS-84'),
    coalesce(given.floors, '{}'), given.rated_speed_m_s, given.rated_load_kg, firm.id, given.user_unit,
    given.user_unit_phone, given.emergency_phone, coalesce(given.urban, true), given.maker, given.installed_on,
    coalesce(given.feeder, ''), $2
from jsonb_to_recordset($1::jsonb) as given (
    id integer, kind text, rescue_code text, register_code text, name text, estate text, building text, address text,
    district text, lon double precision, lat double precision, crs text, floors text[], rated_speed_m_s real,
    rated_load_kg real, firm text, user_unit text, user_unit_phone text, emergency_phone text, urban boolean,
    maker text, installed_on date, feeder text
)
left join firm on firm.name = given.firm;

-- name: update_lifts
-- What the file does not say stays as registered; answers only the lifts that changed.
with given as (
    select given.*, firm.id as firm_id
    from jsonb_to_recordset($1::jsonb) as given (
        id integer, rescue_code text, register_code text, name text, estate text, building text, address text,
        district text, lon double precision, lat double precision, crs text, floors text[], rated_speed_m_s real,
        rated_load_kg real, firm text, user_unit text, user_unit_phone text, emergency_phone text, urban boolean,
        maker text, installed_on date, feeder text
    )
    left join firm on firm.name = given.firm
), wanted as (
    select lift.id,
        coalesce(given.rescue_code, lift.rescue_code) as rescue_code,
        coalesce(given.register_code, lift.register_code) as register_code,
        coalesce(nullif(given.name, ''), lift.name) as name,
        coalesce(nullif(given.estate, ''), lift.estate) as estate,
        coalesce(nullif(given.building, ''), lift.building) as building,
        coalesce(nullif(given.address, ''), lift.address) as address,
        coalesce(nullif(given.district, ''), lift.district) as district,
        coalesce(given.lon, lift.lon) as lon,
        coalesce(given.lat, lift.lat) as lat,
        coalesce(given.crs, lift.crs) as crs,
        coalesce(given.floors, lift.floors) as floors,
        coalesce(given.rated_speed_m_s, lift.rated_speed_m_s) as rated_speed_m_s,
        coalesce(given.rated_load_kg, lift.rated_load_kg) as rated_load_kg,
        coalesce(given.firm_id, lift.firm_id) as firm_id,
        coalesce(nullif(given.user_unit, ''), lift.user_unit) as user_unit,
        coalesce(nullif(given.user_unit_phone, ''), lift.user_unit_phone) as user_unit_phone,
        coalesce(nullif(given.emergency_phone, ''), lift.emergency_phone) as emergency_phone,
        coalesce(given.urban, lift.urban) as urban,
        coalesce(nullif(given.maker, ''), lift.maker) as maker,
        coalesce(given.installed_on, lift.installed_on) as installed_on,
        coalesce(nullif(given.feeder, ''), lift.feeder) as feeder
    from given join lift using (id)
)
update lift set
    rescue_code = wanted.rescue_code, register_code = wanted.register_code, name = wanted.name,
    estate = wanted.estate, building = wanted.building, address = wanted.address, district = wanted.district,
    lon = wanted.lon, lat = wanted.lat, crs = wanted.crs, floors = wanted.floors,
    rated_speed_m_s = wanted.rated_speed_m_s, rated_load_kg = wanted.rated_load_kg, firm_id = wanted.firm_id,
    user_unit = wanted.user_unit, user_unit_phone = wanted.user_unit_phone,
    emergency_phone = wanted.emergency_phone, urban = wanted.urban, maker = wanted.maker,
    installed_on = wanted.installed_on, feeder = wanted.feeder, updated_at = now()
from wanted
where lift.id = wanted.id
    and (
        lift.rescue_code, lift.register_code, lift.name, lift.estate, lift.building, lift.address, lift.district,
        lift.lon, lift.lat, lift.crs, lift.floors, lift.rated_speed_m_s, lift.rated_load_kg, lift.firm_id,
        lift.user_unit, lift.user_unit_phone, lift.emergency_phone, lift.urban, lift.maker, lift.installed_on,
        lift.feeder
    ) is distinct from (
        wanted.rescue_code, wanted.register_code, wanted.name, wanted.estate, wanted.building, wanted.address,
        wanted.district, wanted.lon, wanted.lat, wanted.crs, wanted.floors, wanted.rated_speed_m_s,
        wanted.rated_load_kg, wanted.firm_id, wanted.user_unit, wanted.user_unit_phone, wanted.emergency_phone,
        wanted.urban, wanted.maker, wanted.installed_on, wanted.feeder
    )
returning lift.id;

-- name: insert_devices
insert into device (device, shard, lift_id)
select * from unnest($1::text[], $2::smallint[], $3::integer[]);

-- name: insert_gateway_lifts
insert into gateway_lift (device_id, lift_id)
select device.id, given.lift_id
from unnest($1::text[], $2::integer[]) as given (gateway, lift_id) join device on device.device = given.gateway
on conflict do nothing;

-- name: list_lifts
-- Keyset page in order of number.
select lift.id, lift.kind, lift.rescue_code, lift.register_code, lift.name, lift.estate, lift.building, lift.district,
    lift.exercise,
    array(
        select device.device from device where device.lift_id = lift.id and device.revoked_at is null
        union all
        select device.device from gateway_lift join device on device.id = gateway_lift.device_id
        where gateway_lift.lift_id = lift.id and device.revoked_at is null
    ) as devices
from lift where lift.id > $1 and not lift.probe order by lift.id limit $2;

-- name: show_lift
-- By device, rescue code or register code one lift, by gateway all it speaks for.
select lift.*, firm.name as firm, firm.phone as firm_phone
from lift left join firm on firm.id = lift.firm_id
where not lift.probe and (lift.rescue_code = $1 or lift.register_code = $1
    or lift.id = (select lift_id from device where device = $1)
    or lift.id in (
        select gateway_lift.lift_id from gateway_lift join device on device.id = gateway_lift.device_id
        where device.device = $1
    ))
order by lift.id limit 100;

-- name: show_devices
select device.device, device.shard, device.lift_id is null as gateway, device.revoked_at is not null as revoked
from device
where device.lift_id = $1 or device.id in (select device_id from gateway_lift where lift_id = $1)
order by device.id;
