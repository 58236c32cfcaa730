-- What the pages of a firm's people show. The firm ($1) is always the session's: a missing one matches nothing.

-- name: live_orders
-- What is somebody's work, what nobody has accepted first.
select * from firm_order where firm_id = $1 and live order by state = 'sent' desc, sent_at, id limit $2

-- name: ended_orders
select * from firm_order where firm_id = $1 and not live and ($2::bigint is null or id < $2) order by id desc limit $3

-- name: order
select * from firm_order where firm_id = $1 and id = $2

-- name: happenings
-- Lines after $3 that are about one order ($2), or about its case as all its crews may know it ($4), the oldest first.
select seq, at, kind, person, role, reason, order_id is not distinct from $2::bigint as own
from firm_line
where firm_id = $1 and reader_order_id = $2 and seq > $3 and (order_id = $2 or (kind = any($4::text[]) and order_id is null))
order by seq
limit 200

-- name: lifts
-- One page of the firm's lifts, those with something open first. $2: a fragment, escaped for LIKE by the caller; $3: lifts to leave out.
select l.id, l.kind, l.name, l.estate, l.building, l.address, l.district, l.rescue_code, o.open_alarms, o.trapped
from lift l
cross join lateral (
    select (select count(*) from alarm a where a.lift_id = l.id and a.open and a.condition = 'active') as open_alarms,
        exists (
            select 1 from rescue_case c
            where c.lift_id = l.id and c.kind = 'entrapment' and c.state in ('open', 'dispatched', 'on_site')
        ) as trapped
) o
where l.firm_id = $1 and not l.probe
    and ($2::text is null or l.name ilike $2 or l.estate ilike $2 or l.building ilike $2 or l.address ilike $2
        or l.rescue_code like $2 or l.register_code like $2)
order by o.trapped desc, o.open_alarms > 0 desc, l.estate, l.building, l.name, l.id
limit $4 offset $3

-- name: lift
select l.*, f.name as firm_name
from lift l join firm f on f.id = l.firm_id
where l.id = $2 and l.firm_id = $1 and not l.probe

-- name: last_alarms
select id from alarm where lift_id = $1 order by id desc limit $2

-- name: shifts
-- When the firm's units are on call: what runs at $2 and what begins within a week.
select s.unit_id, s.since, s.until, c.name as contact
from unit_shift s join unit u on u.id = s.unit_id left join unit_contact c on c.id = s.contact_id
where u.firm_id = $1 and s.until > $2 and s.since < $2 + interval '7 days'
order by s.unit_id, s.since
limit 500

-- name: firm
select id, name, coalesce(phone, '') as phone from firm where id = $1

-- name: firm_names
select id, name from firm order by name limit 1000

-- name: set_duty_phone
-- No row when somebody has changed it since $3 was seen.
update firm set phone = nullif($2, '') where id = $1 and coalesce(phone, '') = $3 returning id

-- name: key_in_scope
select 1 from api_key where id = $2 and ($1::integer = 0 or firm_id = $1)
