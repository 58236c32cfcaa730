-- From a row of the outbox to the ways it goes.

-- name: claim_new
-- Rows that nobody has looked at, orders first. Another process skips what one holds.
select o.id from outbox o
where o.state = 'new' and (o.look_at is null or o.look_at <= $1)
order by o.topic not in ('order', 'stand-down', 'soothe'), o.id
limit $2 for update skip locked

-- name: rows
-- What planning needs to know of each: whose firm it is about, the lift's terminals (a gateway speaks for several cars: it is not asked).
select o.id, o.key, o.topic, o.addressee, o.addressee_id, o.contact, o.exercise, o.case_id, coalesce(l.exercise, o.exercise) as lift_is_exercise,
    coalesce(u.name, f.name, o.addressee) as name,
    case o.addressee when 'firm' then o.addressee_id when 'unit' then u.firm_id else coalesce(c.firm_id, k.firm_id, l.firm_id) end as firm_id,
    case when o.addressee = 'lift' then coalesce((
        select array_agg(d.device order by d.device) from device d where d.lift_id = l.id and d.revoked_at is null
    ), '{}') else '{}' end as devices,
    coalesce(o.addressee_id::text, case o.addressee when 'property' then coalesce(nullif(l.user_unit_phone, ''), 'lift ' || l.id) end, '') as who
from outbox o
left join rescue_case c on c.id = o.case_id
left join ticket k on k.id = o.ticket_id
left join lift l on l.id = coalesce(c.lift_id, k.lift_id)
left join unit u on o.addressee = 'unit' and u.id = o.addressee_id
left join firm f on o.addressee = 'firm' and f.id = o.addressee_id
where o.id = any($1::bigint[])
order by o.topic not in ('order', 'stand-down', 'soothe'), o.id

-- name: contacts
-- Everybody who may be told: people of a unit, who is on shift first, then its own number; the firm; the user of the lift; what the city has
-- entered. A firm all of whose lifts are exercise is there for exercises only.
select o.id as outbox_id, x.name, x.rank, x.language, x.exercise, x.kind, x.address, x.contact_id
from outbox o
left join rescue_case c on c.id = o.case_id
left join ticket k on k.id = o.ticket_id
left join lift l on l.id = coalesce(c.lift_id, k.lift_id)
cross join lateral (
    select p.name, case when exists (
            select 1 from unit_shift s where s.contact_id = p.id and s.since <= $2 and s.until > $2
        ) then 0 else p.rank end as rank, 'zh' as language, u.exercise, 'phone' as kind, p.phone as address, null::integer as contact_id
    from unit u join unit_contact p on p.unit_id = u.id
    where o.addressee = 'unit' and u.id = o.addressee_id and p.phone <> ''
    union all
    select u.name, 101, 'zh', u.exercise, 'phone', u.phone, null from unit u
    where o.addressee = 'unit' and u.id = o.addressee_id and u.phone <> ''
    union all
    select f.name, 101, 'zh', f.exercise, 'phone', f.phone, null from (
        select f.id, f.name, f.phone, coalesce((select bool_and(m.exercise) from lift m where m.firm_id = f.id), false) as exercise from firm f
    ) f where o.addressee = 'firm' and f.id = o.addressee_id and f.phone <> ''
    union all
    select coalesce(nullif(l.user_unit, ''), l.name), 101, 'zh', l.exercise, 'phone', l.user_unit_phone, null
    where o.addressee = 'property' and l.user_unit_phone <> ''
    union all
    select n.name, n.rank, n.language, coalesce(u.exercise, false), n.kind, n.address, n.id
    from notify_contact n left join unit u on n.addressee = 'unit' and u.id = n.addressee_id
    where n.addressee = o.addressee
        and n.addressee_id is not distinct from case when o.addressee in ('unit', 'firm') then o.addressee_id end
) x
where o.id = any($1::bigint[])
order by x.rank, x.name

-- name: preferences
select addressee, firm_id, channel, receipt_s from notify_preference order by addressee, firm_id, rank

-- name: endpoints
select id, firm_id, topics, exercise from webhook_endpoint where removed_at is null and disabled_reason is null order by id

-- name: leaders
-- What of each kind went out last, within $2 seconds before $1, and whether any attempt of it has begun. Its ways are locked, so that no
-- attempt begins while another one joins.
select distinct on (o.joins) o.joins, o.id, o.planned_at, exists (
        select 1 from delivery d where d.outbox_id = o.id and d.attempts > 0
    ) as begun
from outbox o
where o.joins = any($3::text[]) and o.state <> 'dead' and o.planned_at > $1::timestamptz - make_interval(secs => $2)
order by o.joins, o.planned_at desc

-- name: lock_ways
select id from delivery where outbox_id = any($1::bigint[]) order by id for update

-- name: wait
update outbox o set look_at = t.look_at from unnest($1::bigint[], $2::timestamptz[]) as t (id, look_at) where o.id = t.id

-- name: join
-- Said with another one.
with given as (
    select * from unnest($1::bigint[], $2::bigint[]) as t (id, leader)
), counted as (
    update outbox o set joined = o.joined + g.others from (select leader, count(*) as others from given group by leader) g where o.id = g.leader
)
update outbox o set state = 'joined', joined_to = g.leader, planned_at = $3, ended_at = $3 from given g where o.id = g.id

-- name: open
update outbox o set state = t.state, planned_at = $4, joins = t.joins,
    reason = case t.state when 'dead' then 'no way' when 'skipped' then 'no terminal of its own' end,
    ended_at = case when t.state <> 'open' then $4::timestamptz end
from unnest($1::bigint[], $2::text[], $3::text[]) as t (id, state, joins)
where o.id = t.id

-- name: add_deliveries
-- The first step and what goes beside it may go at once; the others wait for their turn.
insert into delivery (outbox_id, topic, exercise, key, step, channel, receiver, contact, address, contact_id, endpoint_id, language,
    receipt_s, urgency, to_exercise, state, released_at, due_at, give_up_at)
select t.outbox_id, o.topic, o.exercise, t.key, t.step, t.channel, t.receiver, t.contact, t.address, t.contact_id, t.endpoint_id, t.language,
    t.receipt_s, t.urgency, t.to_exercise, case when coalesce(t.step, 0) = 0 then 'pending' else 'waiting' end,
    case when coalesce(t.step, 0) = 0 then $15::timestamptz end, case when coalesce(t.step, 0) = 0 then $15::timestamptz end,
    case when coalesce(t.step, 0) = 0 then $15::timestamptz + make_interval(secs => t.horizon_s) end
from unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::int[], $10::text[],
    $11::int[], $12::smallint[], $13::bool[], $14::int[])
    as t (outbox_id, key, step, channel, receiver, contact, address, contact_id, endpoint_id, language, receipt_s, urgency, to_exercise, horizon_s)
join outbox o on o.id = t.outbox_id

-- name: dead_ids
select id, topic, addressee, case_id, reason from outbox where state = 'dead' and not noted order by id limit $1

-- name: let_go
-- What was to be said with one that reached nobody reached nobody either: each is said on its own case.
update outbox set state = 'dead', joined_to = null, reason = 'said with another, which reached nobody' where joined_to = $1

-- name: note_dead
-- Nobody was reached: said on the case, in the consoles' feed, and to the supervisor ($3), unless that is who was not reached.
with noted as (
    update outbox set noted = true where id = $1 and state = 'dead' and not noted
    returning id, key, topic, addressee, addressee_id, case_id, exercise, reason
), dead as (
    select n.*, c.lift_id, coalesce(u.name, f.name, n.addressee) as who
    from noted n
    join rescue_case c on c.id = n.case_id
    left join unit u on n.addressee = 'unit' and u.id = n.addressee_id
    left join firm f on n.addressee = 'firm' and f.id = n.addressee_id
), lines as (
    insert into case_event (case_id, kind, at, after)
    select case_id, 'nobody-told', $2, jsonb_build_object('topic', topic, 'to', who, 'why', reason) from dead
), changes as (
    insert into change (kind, object_id, lift_id) select 'case', case_id, lift_id from dead
)
insert into outbox (key, topic, case_id, addressee, body, exercise, created_at)
select 'unreachable-' || key, 'unreachable', case_id, 'supervisor', jsonb_build_object('who', who, 'topic', topic), exercise, $2
from dead
where $3 and topic not in ('unreachable', 'soothe') and addressee <> 'supervisor'
on conflict (key) do nothing
