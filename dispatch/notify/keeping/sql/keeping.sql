-- What people keep and ask: endpoints, contacts, preferences, drills, links, and the outbox as it is read.

-- name: add_endpoint
-- A firm, or the city, has a bounded number of them.
insert into webhook_endpoint (name, firm_id, url, topics, secret, exercise, created_at, created_by)
select $1, $2, $3, $4, $5, $6, $7, $8
where (select count(*) from webhook_endpoint where firm_id is not distinct from $2 and removed_at is null) < $9
on conflict (name) do nothing
returning id

-- name: endpoints
-- Of one firm ($1), of all (0); what signs is never told.
select e.id, e.name, e.firm_id, f.name as firm, e.url, e.topics, e.exercise, e.created_at, e.created_by, e.disabled_reason, e.version,
    case when e.old_until > $3 then e.old_until end as old_secret_until,
    (select max(d.sent_at) from delivery d where d.endpoint_id = e.id and d.state = 'received') as received_at,
    (select count(*) from delivery d where d.endpoint_id = e.id and d.state = 'dead')::integer as dead
from webhook_endpoint e left join firm f on f.id = e.firm_id
where e.removed_at is null and ($1::integer = 0 or e.firm_id = $1) and ($2::integer is null or e.id = $2)
order by e.id

-- name: endpoint_named
select id from webhook_endpoint where name = $1 and removed_at is null

-- name: rotate
update webhook_endpoint
set old_secret = secret, old_until = $3::timestamptz + make_interval(hours => $4), secret = $2, disabled_reason = null, version = version + 1
where id = $1 and removed_at is null returning id

-- name: remove
-- The name is free again; what was sent keeps its row.
update webhook_endpoint set removed_at = $2, name = left(name, 80) || ' #' || id, version = version + 1
where id = $1 and removed_at is null returning id

-- name: endpoint_to_test
select url, secret, exercise from webhook_endpoint where id = $1 and removed_at is null

-- name: add_contact
insert into notify_contact (addressee, addressee_id, name, kind, address, secret, rank, language) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (addressee, addressee_id, name, kind) do update
set address = excluded.address, secret = excluded.secret, rank = excluded.rank, language = excluded.language
returning id

-- name: remove_contact
delete from notify_contact where id = $1 returning id

-- name: contacts
-- What the city has entered, beside the phones of units, firms and users of lifts.
select n.id, n.addressee, coalesce(u.name, f.name) as of, n.name, n.rank, n.kind, n.address, n.language
from notify_contact n
left join unit u on n.addressee = 'unit' and u.id = n.addressee_id
left join firm f on n.addressee = 'firm' and f.id = n.addressee_id
order by n.addressee, n.addressee_id, n.rank, n.name

-- name: forget_preferences
delete from notify_preference where addressee = $1 and firm_id is not distinct from $2

-- name: add_preference
insert into notify_preference (addressee, firm_id, rank, channel, receipt_s) values ($1, $2, $3, $4, $5)

-- name: preferences
select p.addressee, f.name as firm, p.rank, p.channel, p.receipt_s from notify_preference p left join firm f on f.id = p.firm_id
order by p.addressee, f.name nulls first, p.rank

-- name: reach
-- Who was not reached by the last try ($1 true), or everybody that was ever told.
select r.addressee, nullif(r.addressee_id, 0) as addressee_id, coalesce(u.name, f.name) as of, r.contact, r.channel, r.received_at,
    r.sent_at, r.failed_at, r.reason, x.contact is not null as unreachable
from contact_reach r
left join unreachable_contact x on x.addressee = r.addressee and coalesce(x.addressee_id, 0) = r.addressee_id and x.contact = r.contact
    and x.channel = r.channel
left join unit u on r.addressee = 'unit' and u.id = r.addressee_id
left join firm f on r.addressee = 'firm' and f.id = r.addressee_id
where not $1 or x.contact is not null
order by r.failed_at desc nulls last, r.addressee, r.contact, r.channel
limit 2000

-- name: start_drill
insert into drill (started_at, due_at, started_by, note) values ($1, $1::timestamptz + make_interval(mins => $2), $3, $4) returning id

-- name: ask_contacts
-- One row for each contact: people of units, units and firms by their own numbers, and whom the city has entered.
insert into outbox (key, topic, drill_id, addressee, addressee_id, contact, exercise, created_at)
select format('drill-%s-%s', $1::integer, row_number() over (order by addressee, addressee_id, name)), 'drill', $1, addressee, addressee_id, name,
    true, $2
from (
    select 'unit' as addressee, p.unit_id as addressee_id, p.name from unit_contact p join unit u on u.id = p.unit_id
    where p.phone <> '' and u.out_of_use is null
    union
    select 'unit', id, name from unit where phone <> '' and out_of_use is null
    union
    select 'firm', id, name from firm where phone <> ''
    union
    select n.addressee, n.addressee_id, n.name from notify_contact n where n.kind in ('phone', 'mail')
) x
returning id

-- name: drills
select d.id, d.started_at, d.due_at, d.ended_at, d.started_by, d.note, count(o.id)::integer as asked,
    count(*) filter (where o.state = 'delivered')::integer as confirmed,
    count(*) filter (where o.state = 'dead')::integer as not_reached
from drill d left join outbox o on o.drill_id = d.id
where $1::integer is null or d.id = $1
group by d.id order by d.id desc limit 100

-- name: drill_contacts
-- Who has confirmed and who has not; those who have not first.
select o.addressee, o.addressee_id, coalesce(u.name, f.name) as of, o.contact, o.state = 'delivered' as confirmed,
    case when o.state = 'delivered' then o.ended_at end as confirmed_at, o.state,
    (select string_agg(distinct d.channel || ' ' || d.state, ', ') from delivery d where d.outbox_id = o.id and d.state not in ('waiting', 'skipped')) as ways
from outbox o
left join unit u on o.addressee = 'unit' and u.id = o.addressee_id
left join firm f on o.addressee = 'firm' and f.id = o.addressee_id
where o.drill_id = $1
order by o.state = 'delivered', o.addressee, o.contact

-- name: retry
-- Dead letters of one notification go again, under their old keys; one that had no way at all is planned anew.
with again as (
    update delivery d set state = 'pending', due_at = $2, released_at = coalesce(released_at, $2), ended_at = null, claimed_until = null,
        give_up_at = $2::timestamptz + make_interval(secs => h.horizon_s)
    from unnest($3::text[], $4::int[]) as h (channel, horizon_s)
    where d.outbox_id = $1 and d.state = 'dead' and h.channel = d.channel
    returning d.id
), state as (
    update outbox o set ended_at = null, reason = null, look_at = null, noted = false,
        state = case when exists (select 1 from delivery d where d.outbox_id = o.id) then 'open' else 'new' end,
        planned_at = case when exists (select 1 from delivery d where d.outbox_id = o.id) then o.planned_at end
    where o.id = $1 and o.state = 'dead'
    returning o.id
)
select (select count(*) from again)::integer + (select count(*) from state where not exists (
    select 1 from delivery d where d.outbox_id = state.id))::integer as again

-- name: dead_ids
-- Notifications with dead letters, the oldest first: of one channel ($1) or all.
select o.id from outbox o
where o.state = 'dead' and ($1::text is null) or exists (
    select 1 from delivery d where d.outbox_id = o.id and d.state = 'dead' and ($1::text is null or d.channel = $1)
)
order by o.id limit $2

-- name: notification_ids
-- One page, newest first. A firm ($1) sees what it and its units were told; `dead` also finds what only one way failed of.
select o.id from outbox o left join unit u on o.addressee = 'unit' and u.id = o.addressee_id
where ($1::integer = 0 or o.addressee = 'firm' and o.addressee_id = $1 or u.firm_id = $1)
    and ($2::text is null or o.state = $2 or $2 = 'dead' and exists (
        select 1 from delivery d where d.outbox_id = o.id and d.state = 'dead'))
    and ($3::bigint is null or o.case_id = $3) and ($4::bigint is null or o.id < $4)
order by o.id desc limit $5

-- name: notifications
-- With the ways of each in their order. A webhook's address is its owner's: only its name is told.
select o.id, o.key, o.topic, o.addressee, o.addressee_id, coalesce(u.name, f.name) as of, o.contact, o.case_id, o.order_id, o.drill_id,
    o.exercise, o.state, o.reason, o.joined_to, o.joined, o.created_at, o.planned_at, o.ended_at, coalesce((
        select jsonb_agg(jsonb_build_object('key', d.key, 'step', d.step, 'channel', d.channel,
            'contact', coalesce(e.name, d.contact), 'state', d.state, 'attempts', d.attempts, 'said', d.said,
            'first_at', rfc3339(d.first_at), 'sent_at', rfc3339(d.sent_at),
            'next_at', case when d.state = 'pending' then rfc3339(d.due_at) end, 'ended_at', rfc3339(d.ended_at)) order by d.step nulls last, d.id)
        from delivery d left join webhook_endpoint e on e.id = d.endpoint_id
        where d.outbox_id = o.id and ($1::integer = 0 or e.id is null or e.firm_id = $1)
    ), '[]') as ways
from outbox o
left join unit u on o.addressee = 'unit' and u.id = o.addressee_id
left join firm f on o.addressee = 'firm' and f.id = o.addressee_id
where o.id = any($2::bigint[]) and ($1::integer = 0 or o.addressee = 'firm' and o.addressee_id = $1 or u.firm_id = $1)
order by o.id desc

-- name: link
-- What a one-time link is for, locked by whoever uses it ($3 true).
select k.delivery_id, k.order_id, k.used_at, k.expires_at <= $2 as expired, d.contact, d.language, o.topic, o.drill_id, o.exercise, o.case_id,
    l.name, l.estate, l.building, coalesce(l.address, c.address) as address, l.rescue_code, r.state as order_state, r.firm_id
from notify_link k
join delivery d on d.id = k.delivery_id
join outbox o on o.id = d.outbox_id
left join rescue_case c on c.id = o.case_id
left join lift l on l.id = c.lift_id
left join dispatch_order r on r.id = k.order_id
where k.token_hash = $1

-- name: use_link
update notify_link set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2 returning delivery_id

-- name: delivery_by_key
select id from delivery where key = $1

-- name: firm_named
select id from firm where name = $1

-- name: unit_named
select id from unit where name = $1
