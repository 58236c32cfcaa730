-- Units and shifts from files.

-- name: firms
select id, name from firm

-- name: units
select id, name from unit

-- name: put_unit
insert into unit as u (name, kind, firm_id, phone, lon, lat, lift_kinds, crews, round_the_clock, exercise)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (name) do update
set kind = excluded.kind, firm_id = excluded.firm_id, phone = excluded.phone, lon = excluded.lon, lat = excluded.lat,
    lift_kinds = excluded.lift_kinds, crews = excluded.crews, round_the_clock = excluded.round_the_clock,
    exercise = excluded.exercise, out_of_use = null, version = u.version + 1
returning id

-- name: put_contact
insert into unit_contact (unit_id, name, phone, rank) values ($1, $2, $3, $4)
on conflict (unit_id, name) do update set phone = excluded.phone, rank = excluded.rank

-- name: put_shift
insert into unit_shift (unit_id, since, until, contact_id)
select $1, $2, $3, (select id from unit_contact where unit_id = $1 and name = $4)
where ($4::text = '' or exists (select 1 from unit_contact where unit_id = $1 and name = $4))
    and not exists (select 1 from unit_shift where unit_id = $1 and since = $2 and until = $3
        and contact_id is not distinct from (select id from unit_contact where unit_id = $1 and name = $4))
returning id
