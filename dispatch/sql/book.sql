-- What decisions read of cases and units, and what their outcomes write. Every statement is set-based.

-- name: cases
-- Cases as the decisions see them. Whoever asks has locked their rows. One by address has the place that the caller said.
select c.id, c.kind, c.state, c.level, c.opened_at, c.acknowledged_at is not null as acknowledged, c.arrived_at is not null as arrived,
    c.dispatched_at is not null or exists (select 1 from timer t where t.case_id = c.id and t.kind = 'arrive') as dispatched,
    c.past, c.exercise, c.firm_id, coalesce(l.kind, 'lift') as lift_kind, coalesce(l.urban, true) as urban,
    coalesce(l.lon, c.lon) as lon, coalesce(l.lat, c.lat) as lat, coalesce(c.injured, 0) > 0 as hurt,
    c.vulnerable <> '{}' as vulnerable, c.waits_since is not null as waits,
    exists (
        select 1 from area_incident_lift m join area_incident i on i.id = m.incident_id
        where m.lift_id = c.lift_id and i.ended_at is null and i.exercise = c.exercise
    ) as in_area,
    exists (select 1 from case_step s where s.case_id = c.id and s.step = 'call-119' and s.done_at is not null) as called_119,
    c.kind = 'alarm-call' and exists (
        select 1 from rescue_case o
        where o.lift_id = c.lift_id and o.kind = 'entrapment' and o.state in ('open', 'dispatched', 'on_site')
    ) as other_entrapment
from rescue_case c left join lift l on l.id = c.lift_id
where c.id = any($1::bigint[])

-- name: orders
select id, case_id, level, state, addressee, unit_id, firm_id from dispatch_order where case_id = any($1::bigint[]) order by id

-- name: units
-- Who is on duty at $1, with the orders that each has. A reported position counts while it is not older than $2 seconds.
select u.id, u.kind, u.firm_id, u.lift_kinds, u.crews, u.exercise, coalesce(o.load, 0)::integer as load,
    case when p.fresh then u.reported_lon else u.lon end as lon, case when p.fresh then u.reported_lat else u.lat end as lat,
    case when p.fresh then greatest(0, extract(epoch from $1::timestamptz - u.reported_at))::integer end as position_age_s
from unit u
cross join lateral (select coalesce(u.reported_at > $1::timestamptz - make_interval(secs => $2), false) as fresh) p
left join (
    select unit_id, count(*) as load from dispatch_order where live and unit_id is not null group by unit_id
) o on o.unit_id = u.id
where u.out_of_use is null and (u.round_the_clock
    or exists (select 1 from unit_shift s where s.unit_id = u.id and s.since <= $1 and s.until > $1))

-- name: limits
select value from setting where name = 'dispatch_limits'

-- name: order_ids
select nextval(pg_get_serial_sequence('dispatch_order', 'id')) as id from generate_series(1, $1)

-- name: add_orders
insert into dispatch_order (id, case_id, level, addressee, unit_id, firm_id, state, sent_at, accepted_at, sent_by, reasons, exercise)
select t.id, t.case_id, t.level, t.addressee, t.unit_id, t.firm_id, case when t.accepted then 'accepted' else 'sent' end,
    $11::timestamptz, case when t.accepted then $11::timestamptz end, t.sent_by, t.reasons::jsonb, t.exercise
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::int[], $6::smallint[], $7::text[], $8::bool[], $9::bool[],
    $10::text[]) as t (id, case_id, level, addressee, unit_id, firm_id, reasons, exercise, accepted, sent_by)

-- name: move_orders
-- The moves were checked against the life cycle. The times of a state are those at which it is first reached.
update dispatch_order o
set state = t.state, version = o.version + 1,
    accepted_at = case when t.state in ('accepted', 'on_the_way', 'arrived') then coalesce(o.accepted_at, $3) else o.accepted_at end,
    set_out_at = case when t.state in ('on_the_way', 'arrived') then coalesce(o.set_out_at, $3) else o.set_out_at end,
    arrived_at = case when t.state = 'arrived' then coalesce(o.arrived_at, $3) else o.arrived_at end,
    ended_at = case when t.state in ('done', 'stood_down', 'refused', 'failed') then $3 else o.ended_at end
from unnest($1::bigint[], $2::text[]) as t (id, state)
where o.id = t.id
returning o.id, o.case_id, o.unit_id, o.firm_id, o.addressee, old.state as was

-- name: late_orders
update dispatch_order set late_at = $2, version = version + 1 where id = any($1::bigint[]) and late_at is null

-- name: set_timers
-- The arrival clock of a case runs from its first dispatch and never starts again.
insert into timer (kind, case_id, order_id, due_at)
select t.kind, t.case_id, t.order_id, $5::timestamptz + make_interval(secs => t.after_s)
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::float8[]) as t (kind, case_id, order_id, after_s)
on conflict on constraint timer_once do update set due_at = excluded.due_at, fired_at = null, cancelled_at = null
where timer.kind <> 'arrive'

-- name: end_timers
update timer t set cancelled_at = $4
from unnest($1::bigint[], $2::text[], $3::bigint[]) as e (case_id, kind, order_id)
where t.case_id = e.case_id and t.fired_at is null and t.cancelled_at is null
    and (e.kind is null or t.kind = e.kind) and (e.order_id is null or t.order_id = e.order_id)

-- name: change_cases
-- One version more for each; null leaves a column as it is. The times of a state are those at which it is first reached.
update rescue_case c
set state = coalesce(t.state, c.state), level = coalesce(t.level, c.level), kind = coalesce(t.kind, c.kind),
    firm_id = coalesce(t.firm_id, c.firm_id), version = c.version + 1,
    accepted_at = case when t.accepted then coalesce(c.accepted_at, $8::timestamptz) else c.accepted_at end,
    waits_since = case when t.waits then coalesce(c.waits_since, $8) when t.waits is null then c.waits_since end,
    dispatched_at = case when t.state = 'dispatched' then coalesce(c.dispatched_at, $8) else c.dispatched_at end,
    arrived_at = case when t.state = 'on_site' then coalesce(c.arrived_at, $8) else c.arrived_at end,
    released_at = case when t.state = 'released' then $8 else c.released_at end,
    closed_at = case when t.state in ('closed', 'cancelled') then $8 else c.closed_at end,
    acknowledged_at = case when $9::text is null then c.acknowledged_at else coalesce(c.acknowledged_at, $8) end,
    acknowledged_by = case when c.acknowledged_at is null then coalesce($9, c.acknowledged_by) else c.acknowledged_by end,
    confirmed_by = case when $10::text is null then c.confirmed_by else $9 end, confirmation = coalesce($10, c.confirmation)
from unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::smallint[], $6::bool[], $7::bool[])
    as t (id, state, level, kind, firm_id, accepted, waits)
where c.id = t.id

-- name: add_lines
insert into case_event (case_id, kind, at, person, role, reason, before, after)
select t.case_id, t.kind, $8, t.person, t.role, t.reason, t.before::jsonb, t.after::jsonb
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
    as t (case_id, kind, reason, before, after, person, role, place)
order by t.place

-- name: list_steps
insert into case_step (case_id, step, listed_at) select t.case_id, t.step, $3 from unnest($1::bigint[], $2::text[]) as t (case_id, step)
on conflict do nothing

-- name: do_steps
insert into case_step (case_id, step, listed_at, done_at, person, note)
select t.case_id, t.step, $3, $3, $4, $5 from unnest($1::bigint[], $2::text[]) as t (case_id, step)
on conflict (case_id, step) do update set done_at = excluded.done_at, person = excluded.person, note = excluded.note
where case_step.done_at is null

-- name: tell
-- The key is the same however often an attempt is made; a transaction that is carried out again writes it once.
insert into outbox (key, topic, case_id, order_id, addressee, addressee_id, body, exercise, created_at)
select t.key, t.topic, t.case_id, t.order_id, t.addressee, t.addressee_id, t.body::jsonb, t.exercise, $9
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::int[], $7::text[], $8::bool[])
    as t (key, topic, case_id, order_id, addressee, addressee_id, body, exercise)
on conflict (key) do nothing
