-- Orders, units and what persons do to them.

-- name: order_ids
-- One page, newest first, of the orders of a firm's people (0: of everybody).
select id from dispatch_order
where ($1::integer = 0 or firm_id = $1) and ($2::boolean is null or live = $2) and ($3::bigint is null or case_id = $3)
    and ($4::integer is null or unit_id = $4) and ($5::bigint is null or id < $5)
order by id desc limit $6

-- name: order_documents
select document from order_document where id = any($2::bigint[]) and ($1::integer = 0 or firm_id = $1) order by id desc

-- name: case_of_order
select case_id from dispatch_order where id = $2 and ($1::integer = 0 or firm_id = $1)

-- name: note_position
-- Where a crew says that it has arrived, and how far from the lift that is: flat over a city, good to a percent.
insert into order_report (order_id, lon, lat, metres)
select id, $2, $3, round(111195 * sqrt(power(($2::float8 - lon) * cos(radians(lat)), 2) + power($3::float8 - lat, 2)))
from firm_order
where id = $1
on conflict (order_id) do update set lon = excluded.lon, lat = excluded.lat, metres = excluded.metres
returning metres

-- name: unit_is_at
update unit u set reported_lon = $2, reported_lat = $3, reported_at = $4, version = u.version + 1
from dispatch_order o where o.id = $1 and u.id = o.unit_id and coalesce(u.reported_at <= $4, true)

-- name: note_release
insert into order_report (order_id, released_at, released_by, release_method, trapped, injured, note)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (order_id) do update set released_at = excluded.released_at, released_by = excluded.released_by,
    release_method = excluded.release_method, trapped = excluded.trapped, injured = excluded.injured, note = excluded.note

-- name: note_cause
insert into order_report (order_id, cause, remark) values ($1, $2, $3)
on conflict (order_id) do update set cause = excluded.cause, remark = excluded.remark

-- name: touch_order
update dispatch_order set version = version + 1 where id = $1

-- name: units
-- Everybody who could be sent, with who is on duty at $3 and what each has to do.
select u.id, u.name, u.kind, u.firm_id, f.name as firm_name, u.phone, u.lift_kinds, u.crews, u.out_of_use, u.exercise, u.version,
    coalesce(u.reported_lon, u.lon) as lon, coalesce(u.reported_lat, u.lat) as lat, u.reported_at,
    (select count(*) from dispatch_order o where o.live and o.unit_id = u.id)::integer as load,
    u.round_the_clock or exists (
        select 1 from unit_shift s where s.unit_id = u.id and s.since <= $3 and s.until > $3
    ) as on_duty,
    coalesce((
        select jsonb_agg(jsonb_build_object('name', c.name, 'phone', c.phone, 'rank', c.rank) order by c.rank, c.name)
        from unit_contact c where c.unit_id = u.id
    ), '[]') as contacts
from unit u left join firm f on f.id = u.firm_id
where ($1::integer = 0 or u.firm_id = $1) and ($2::integer is null or u.id = $2)
order by u.kind, u.name

-- name: unit_names
select id, name, phone from unit where id = any($1::int[])

-- name: unit_to_send
select id, kind, firm_id, exercise from unit where id = $1 and out_of_use is null

-- name: set_position
-- Where a unit says it is. An older word never replaces a newer one.
update unit set reported_lon = $3, reported_lat = $4, reported_at = $5, version = version + 1
where id = $2 and ($1::integer = 0 or firm_id = $1) and coalesce(reported_at <= $5, true)
returning id

-- name: firm_exists
select 1 from firm where id = $1
