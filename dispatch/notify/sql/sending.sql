-- Deliveries: claimed, sent outside of any transaction, and what became of them. Every claim has a number that rises.

-- name: work
-- One look each quarter of a second: what there is to do.
select exists (select 1 from outbox where state = 'new' and (look_at is null or look_at <= $1)) as fresh,
    exists (select 1 from outbox where state = 'open') as running,
    exists (select 1 from outbox where state = 'dead' and not noted) as dead,
    exists (select 1 from drill where ended_at is null and due_at <= $1) as drills,
    coalesce((
        select array_agg(distinct channel) from delivery
        where state = 'pending' and due_at <= $1 and (claimed_until is null or claimed_until <= $1)
    ), '{}') as channels

-- name: claim
-- Due ones of one channel ($1), at most $3, of each receiver no more than it has free places ($4, $5; $6 for the others). Another
-- process skips what one holds; a claim of one that was killed is over after $7 seconds.
with room as (
    select * from unnest($4::text[], $5::int[]) as r (receiver, free)
), waiting as (
    select d.id, d.receiver, row_number() over (partition by d.receiver order by d.urgency, d.due_at, d.id) as place
    from (
        select d.id, d.receiver, d.urgency, d.due_at from delivery d
        where d.state = 'pending' and d.channel = $1 and d.due_at <= $2 and (d.claimed_until is null or d.claimed_until <= $2)
            and not exists (select 1 from room r where r.receiver = d.receiver and r.free <= 0)
        order by d.urgency, d.due_at limit 1000
    ) d
), chosen as (
    select d.id from delivery d join waiting w on w.id = d.id left join room r on r.receiver = d.receiver
    where w.place <= coalesce(r.free, $6) and d.state = 'pending' and (d.claimed_until is null or d.claimed_until <= $2)
    order by d.urgency, d.due_at, d.id limit $3 for update of d skip locked
)
update delivery d
set claim = d.claim + 1, claimed_until = $2::timestamptz + make_interval(secs => $7), attempts = d.attempts + 1,
    first_at = coalesce(d.first_at, $2)
from chosen where d.id = chosen.id
returning d.id, d.outbox_id, d.key, d.topic, d.exercise, d.channel, d.receiver, d.contact, d.address, d.contact_id, d.endpoint_id,
    d.language, d.attempts, d.claim, d.give_up_at, d.step

-- name: secrets
-- Where an endpoint is and what signs for it, read at each attempt: a change counts at once.
select e.id, e.url, e.secret, case when e.old_until > $2 then e.old_secret end as old_secret, e.removed_at is not null as removed
from webhook_endpoint e where e.id = any($1::int[])

-- name: robot_secrets
select id, secret from notify_contact where id = any($1::int[]) and secret is not null

-- name: facts
-- What the messages of these notifications may name.
select o.id, o.key, o.topic, o.addressee, o.addressee_id, o.case_id, o.order_id, o.joined, o.body, o.created_at, o.exercise,
    c.kind as case_kind, c.state as case_state, coalesce(c.level, (o.body ->> 'level')::int) as level, c.opened_at, c.trapped,
    l.id as lift_id, l.kind as lift_kind, l.name, l.estate, l.building, l.address, l.district, l.rescue_code, l.register_code, l.lon, l.lat,
    d.state as order_state, d.level as order_level, d.sent_at as order_sent_at, u.id as unit_id, u.name as unit_name,
    coalesce(d.firm_id, c.firm_id, k.firm_id, case when o.addressee = 'firm' then o.addressee_id end) as firm_id, k.number as ticket_number
from outbox o
left join rescue_case c on c.id = o.case_id
left join ticket k on k.id = o.ticket_id
left join lift l on l.id = coalesce(c.lift_id, k.lift_id)
left join dispatch_order d on d.id = o.order_id
left join unit u on u.id = coalesce(d.unit_id, case when o.addressee = 'unit' then o.addressee_id end)
where o.id = any($1::bigint[])

-- name: add_link
-- Only the hash is kept. Accepting is for orders; else the link confirms that the message came.
insert into notify_link (token_hash, delivery_id, order_id, expires_at)
select $1, $2, case when $4 then o.order_id end, $3::timestamptz + make_interval(mins => $5)
from delivery d join outbox o on o.id = d.outbox_id where d.id = $2

-- name: mark
-- The end of an attempt; nothing when another process has claimed it since, or a receipt came meanwhile.
update delivery
set state = $3, said = $4, claimed_until = null, due_at = coalesce($6, due_at),
    sent_at = case when $3 in ('sent', 'received') then coalesce(sent_at, $5) else sent_at end,
    ended_at = case when $3 in ('received', 'dead') then $5 else ended_at end
where id = $1 and claim = $2 and state = 'pending'
returning outbox_id

-- name: look_again
-- It is under way elsewhere: not an attempt that failed.
update delivery set claimed_until = null, due_at = $3, attempts = attempts - 1, said = $4
where id = $1 and claim = $2 and state = 'pending'

-- name: disable_endpoint
-- It answered 410: it wants nothing any more. What waits for it is a dead letter.
with shut as (
    update webhook_endpoint set disabled_reason = 'answered 410', version = version + 1
    where id = $1 and disabled_reason is null returning id
)
update delivery d set state = 'dead', said = 'the endpoint answered 410', ended_at = $2, claimed_until = null
from shut where d.endpoint_id = shut.id and d.state = 'pending' and (d.claimed_until is null or d.claimed_until <= $2)

-- name: note_end
-- What became of one way: on the case, for every reader, and whether the contact can be reached.
with ended as (
    select d.id, d.channel, d.contact, d.address, d.topic, o.addressee, coalesce(o.addressee_id, 0) as addressee_id, o.case_id, o.order_id,
        o.drill_id, c.lift_id
    from delivery d join outbox o on o.id = d.outbox_id left join rescue_case c on c.id = o.case_id
    where d.id = $1
), lines as (
    insert into case_event (case_id, kind, at, after)
    select case_id, case when $2 = 'dead' then 'not-told' else 'told' end, $4, jsonb_strip_nulls(jsonb_build_object(
        'topic', topic, 'to', contact, 'channel', channel, 'order_id', order_id, 'how', $2::text, 'why', $3::text))
    from ended where case_id is not null
), changes as (
    insert into change (kind, object_id, lift_id) select 'case', case_id, lift_id from ended where case_id is not null
)
insert into contact_reach as r (addressee, addressee_id, contact, channel, address, received_at, sent_at, failed_at, reason)
select e.addressee, e.addressee_id, e.contact, k.channel, e.address, case when $2 = 'received' then $4::timestamptz end,
    case when $2 in ('sent', 'received') then $4::timestamptz end, case when $2 = 'dead' then $4::timestamptz end,
    case when $2 = 'dead' then $3 end
from ended e
cross join lateral (
    select e.channel union all select 'drill' where e.drill_id is not null and $2 = 'received'
) k (channel)
where e.channel not in ('webhook', 'device')
on conflict (addressee, addressee_id, contact, channel) do update
set address = excluded.address, received_at = coalesce(excluded.received_at, r.received_at), sent_at = coalesce(excluded.sent_at, r.sent_at),
    failed_at = coalesce(excluded.failed_at, r.failed_at), reason = coalesce(excluded.reason, r.reason)

-- name: receipt
-- Somebody has it: by link, by the gateway's word. A second receipt changes nothing.
update delivery set state = 'received', said = $2, sent_at = coalesce(sent_at, $3), ended_at = $3, claimed_until = null
where id = $1 and state <> 'received'
returning id, outbox_id

-- name: failed_receipt
-- The gateway says afterwards that it did not come through.
update delivery set state = 'dead', said = $2, ended_at = $3, claimed_until = null where id = $1 and state in ('pending', 'sent')
returning id, outbox_id

-- name: delivered
-- Somebody has it: what waits behind is left out.
with had as (
    update outbox set state = 'delivered', ended_at = $2, reason = $3 where id = $1 and state in ('open', 'sent', 'dead') returning id
)
update delivery d set state = 'skipped', ended_at = $2 from had
where d.outbox_id = had.id and d.channel <> 'webhook' and d.state in ('waiting', 'pending')
    and (d.claimed_until is null or d.claimed_until <= $2)

-- name: answered
-- An order that was moved needs no further message; what is under way ends by itself.
with moved as (
    update outbox o set state = 'delivered', ended_at = $1, reason = 'order ' || d.state
    from dispatch_order d
    where o.state = 'open' and o.topic = 'order' and d.id = o.order_id and d.state <> 'sent'
    returning o.id
)
update delivery d set state = 'skipped', ended_at = $1 from moved
where d.outbox_id = moved.id and d.channel <> 'webhook' and d.state in ('waiting', 'pending')
    and (d.claimed_until is null or d.claimed_until <= $1)

-- name: no_way_left
-- What waits for a channel ($2 are there) that was taken out of the settings ends with its time.
update delivery set state = 'dead', said = 'the channel is not set up any more', ended_at = $1
where state = 'pending' and give_up_at < $1 and channel <> all($2::text[])

-- name: step_on
-- The next step goes when each one before it is dead, or has had its time to bring a receipt and did not.
with due as (
    select distinct on (w.outbox_id) w.outbox_id, w.step
    from delivery w join outbox o on o.id = w.outbox_id
    where o.state = 'open' and w.state = 'waiting' and not exists (
        select 1 from delivery e
        where e.outbox_id = w.outbox_id and e.step < w.step and (e.state in ('waiting', 'received')
            or e.state in ('pending', 'sent') and e.released_at + make_interval(secs => e.receipt_s) > $1)
    )
    order by w.outbox_id, w.step
), stepped as (
    update delivery d set state = 'pending', released_at = $1, due_at = $1,
        give_up_at = $1::timestamptz + make_interval(secs => h.horizon_s)
    from due, unnest($2::text[], $3::int[]) as h (channel, horizon_s)
    where d.outbox_id = due.outbox_id and d.step = due.step and d.state = 'waiting' and h.channel = d.channel
    returning d.id
)
select count(*) from stepped

-- name: end_open
-- Somebody has it, or no way is left. What waits behind a receipt is left out.
with ladder as (
    select o.id, bool_or(d.state = 'received') as got, bool_or(d.state = 'sent') as went,
        bool_or(d.state in ('waiting', 'pending') or d.state = 'sent' and d.released_at + make_interval(secs => d.receipt_s) > $1) as under_way
    from outbox o join delivery d on d.outbox_id = o.id and d.step is not null
    where o.state = 'open' group by o.id
), ended as (
    update outbox o set state = case when s.got then 'delivered' when s.went then 'sent' else 'dead' end, ended_at = $1,
        reason = case when not s.got and not s.went then 'every way failed' end
    from ladder s where o.id = s.id and o.state = 'open' and (s.got or not s.under_way)
    returning o.id, o.state
)
update delivery d set state = 'skipped', ended_at = $1 from ended
where d.outbox_id = ended.id and d.step is not null and d.state in ('waiting', 'pending') and ended.state = 'delivered'
    and (d.claimed_until is null or d.claimed_until <= $1)

-- name: end_drills
-- Whoever has not confirmed in time is shown as unreachable.
with over as (
    update drill set ended_at = $1 where ended_at is null and due_at <= $1 returning id
)
insert into contact_reach as r (addressee, addressee_id, contact, channel, failed_at, reason)
select o.addressee, coalesce(o.addressee_id, 0), o.contact, 'drill', $1, 'not confirmed in a drill'
from over join outbox o on o.drill_id = over.id where o.state <> 'delivered'
on conflict (addressee, addressee_id, contact, channel) do update set failed_at = excluded.failed_at, reason = excluded.reason

-- name: forget_links
delete from notify_link where token_hash in (select token_hash from notify_link where expires_at < $1::timestamptz - interval '1 day' limit 5000)

-- name: figures
-- What waits, by channel, and since when.
select channel, count(*) as pending, extract(epoch from $1::timestamptz - min(released_at))::float8 as oldest_s
from delivery where state = 'pending' group by channel
union all
select 'unplanned', count(*), extract(epoch from $1::timestamptz - min(created_at))::float8 from outbox where state = 'new'

-- name: unreachable
select count(*) from unreachable_contact
