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
