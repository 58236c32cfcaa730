-- The city link: links, the queue of records, answers, reconciliations.

-- name: links
select form, address, supplier, token_address, client, steps, since, rests_until, failures, trouble, trouble_since
from city_link where ended_at is null order by form

-- name: supplier
select supplier from city_link where form = $1

-- name: set_link
insert into city_link (form, address, supplier, token_address, client, steps, since) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (form) do update
set address = excluded.address, supplier = excluded.supplier, token_address = excluded.token_address, client = excluded.client,
    steps = excluded.steps, since = case when city_link.ended_at is null then city_link.since else excluded.since end,
    ended_at = null, rests_until = null, failures = 0, trouble = null, trouble_since = null

-- name: catch_up_cases
-- A new link hears of what is open already; one that was off for a while, also of what ended meanwhile.
select city_tell_case(c) from rescue_case c
where c.kind = 'entrapment' and not c.exercise and c.lift_id is not null
    and (c.state in ('open', 'dispatched', 'on_site')
        or exists (select 1 from city_record r where r.form = $1 and r.case_id = c.id)
            and not exists (select 1 from city_record r where r.form = $1 and r.case_id = c.id and r.step in ('done', 'false')))

-- name: catch_up_alarms
select city_tell_alarm(a, s.stands and not s.told, s.told and not s.stands, false, $1)
from alarm a
cross join lateral (
    select city_stands(a) as stands, exists (
        select 1 from city_record r
        where r.form = $1 and r.alarm_id = a.id and not exists (
            select 1 from city_record o
            where o.form = $1 and o.alarm_id = a.id and (o.turn > r.turn or o.turn = r.turn and o.step in ('done', 'false')))
    ) as told
) s
where not a.exercise and s.stands <> s.told
    and (a.open and a.opens = 'ticket' or exists (select 1 from city_record r where r.form = $1 and r.alarm_id = a.id))

-- name: end_link
update city_link set ended_at = $2 where form = $1 and ended_at is null returning form

-- name: due
-- The first record of each lift that nothing holds. Who moves a case or alarm has its row locked, so its steps have rising ids and are
-- seen in order; no look below the oldest transaction is needed, and a long import holds nobody up.
-- A record whose forerunner was refused is held until that one is accepted; the lift's other cases and alarms go on.
select id from (
    select distinct on (r.lift_id) r.id, r.retry_at
    from city_record r
    where r.form = $1 and r.state = 'waiting'
        and not exists (
            select 1 from city_record h
            where h.form = r.form and h.case_id is not distinct from r.case_id and h.alarm_id is not distinct from r.alarm_id
                and h.turn = r.turn and h.id < r.id and h.state in ('refused', 'incomplete'))
    order by r.lift_id, r.id
) first
where coalesce(retry_at, '-infinity') <= $2
order by id
limit $3

-- name: facts
-- What is known of these records' cases and alarms. `times`: each step so far of the same case or turn.
select r.id, r.form, r.step, r.at, r.turn, r.case_id, r.alarm_id, r.lift_id, r.state, r.body, r.tries, coalesce(c.channel, 'S04') as channel,
    l.register_code, v.text as rule_text, v.opens as rule_opens, v.title_zh as title,
    r.alarm_id is not null and exists (
        select 1 from out_of_service o
        where o.lift_id = a.lift_id and o.rule_id = a.rule_id and o.since <= r.at and coalesce(o.ended_at, 'infinity') > r.at
    ) as out_of_service,
    (select jsonb_object_agg(s.step, extract(epoch from s.at)) from city_record s
        where s.form = r.form and s.case_id is not distinct from r.case_id and s.alarm_id is not distinct from r.alarm_id
            and s.turn = r.turn and s.id <= r.id) as times
from city_record r
join lift l on l.id = r.lift_id
left join rescue_case c on c.id = r.case_id
left join alarm a on a.id = coalesce(r.alarm_id, case when c.channel = 'S04' then c.alarm_id end)
left join rule_version v on v.rule_id = a.rule_id and v.version = a.rule_version
where r.id = any($1::bigint[])
order by r.id

-- name: floor_label
select label from floor_label where id = $1

-- name: begin
-- A try begins: what is sent is written down before it leaves, so that every further try is the same to the byte.
update city_record r set body = t.body, tries = r.tries + 1, tried_at = $3
from unnest($1::bigint[], $2::text[]) as t (id, body)
where r.id = t.id and r.state = 'waiting'
returning r.id

-- name: settle
update city_record r set state = t.state, reason = t.reason, settled_at = $4, retry_at = null
from unnest($1::bigint[], $2::text[], $3::text[]) as t (id, state, reason)
where r.id = t.id and r.state = 'waiting'

-- name: put_off
update city_record r set retry_at = t.retry_at, reason = t.reason
from unnest($1::bigint[], $2::timestamptz[], $3::text[]) as t (id, retry_at, reason)
where r.id = t.id and r.state = 'waiting'

-- name: add_answers
insert into city_answer (record_id, at, kind, status, text)
select t.id, $5, t.kind, t.status, t.text from unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[]) as t (id, kind, status, text)

-- name: link_well
update city_link set rests_until = null, failures = 0, trouble = null, trouble_since = null where form = $1 and failures > 0

-- name: link_rests
update city_link set rests_until = $2, failures = $3, trouble = $4, trouble_since = coalesce(trouble_since, $5) where form = $1

-- name: again
-- Sent again with facts as they are now. $2: one record, or (null) all of the form.
with back as (
    update city_record set state = 'waiting', settled_at = null, body = null, retry_at = null, reason = null
    where form = $1 and state in ('refused', 'incomplete') and ($2::bigint is null or id = $2)
    returning id
), said as (
    insert into city_answer (record_id, at, kind, person) select id, $3, 'again', $4 from back
)
select id from back order by id

-- name: at_once
-- What waits is tried at once, whatever was put off.
with links as (
    update city_link set rests_until = null where ended_at is null and form = $1
)
update city_record set retry_at = null where form = $1 and state = 'waiting' and retry_at is not null

-- name: record_form
select form from city_record where id = $1

-- name: open_counts
-- What of each link is not settled well. A record that waits for a refused forerunner is held.
select l.form, l.trouble, l.trouble_since, l.ended_at, clock_timestamp() as looked_at, n.*
from city_link l
cross join lateral (
    select count(*) filter (where r.state = 'waiting' and not h.held)::integer as waiting,
        count(*) filter (where r.state = 'waiting' and h.held)::integer as held,
        min(r.created_at) filter (where r.state = 'waiting' and not h.held) as oldest_at,
        count(*) filter (where r.state = 'refused')::integer as refused,
        count(*) filter (where r.state = 'incomplete')::integer as incomplete,
        min(r.settled_at) filter (where r.state in ('refused', 'incomplete')) as refused_at
    from city_record r
    cross join lateral (
        select exists (
            select 1 from city_record f
            where f.form = r.form and f.case_id is not distinct from r.case_id and f.alarm_id is not distinct from r.alarm_id
                and f.turn = r.turn and f.id < r.id and f.state in ('refused', 'incomplete')) as held
    ) h
    where r.form = l.form and r.state in ('waiting', 'refused', 'incomplete')
) n
order by l.form

-- name: standing
-- The same of the link itself, with what went well since $1.
select l.form, l.address, l.supplier, l.since, l.ended_at, l.rests_until, l.failures, l.trouble, l.trouble_since,
    count(*) filter (where r.state = 'accepted')::integer as accepted,
    count(*) filter (where r.state = 'left-out')::integer as left_out,
    max(r.settled_at) filter (where r.state = 'accepted') as last_accepted_at
from city_link l left join city_record r on r.form = l.form and r.settled_at > $1
group by l.form order by l.form

-- name: records
-- Records of a form and of states, newest first, below cursor $3.
select r.id, r.form, r.lift_id, l.name as lift, r.case_id, r.alarm_id, r.turn, r.step, r.at, r.state, r.tries, r.tried_at, r.retry_at,
    r.settled_at, r.reason, r.body, r.created_at
from city_record r join lift l on l.id = r.lift_id
where ($1::text is null or r.form = $1) and ($2::text[] is null or r.state = any($2)) and ($3::bigint is null or r.id < $3)
order by r.id desc limit $4

-- name: day
-- Everything of a form that occurred from $2 until before $3.
select id, state, reason from city_record where form = $1 and step = 'occurred' and at >= $2 and at < $3 order by at, id

-- name: add_reconciliation
insert into city_reconciliation (form, day, made_at, person, source, ours, theirs, agreed, differences, outside)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id

-- name: add_differences
insert into city_difference (reconciliation_id, place, reasons, lift, our_id, our_at, our_code, our_state, their_id, their_at, their_code)
select $1, t.place, string_to_array(t.reasons, ','), t.lift, t.our_id, t.our_at, t.our_code, t.our_state, t.their_id, t.their_at, t.their_code
from unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::timestamptz[],
    $11::text[]) as t (place, reasons, lift, our_id, our_at, our_code, our_state, their_id, their_at, their_code)

-- name: reconciliations
select id, form, day, made_at, person, source, ours, theirs, agreed, differences, outside
from city_reconciliation where ($1::bigint is null or id < $1) order by id desc limit $2

-- name: is_reconciliation
select exists (select 1 from city_reconciliation where id = $1)

-- name: differences
select place, reasons, lift, our_id, our_at, our_code, our_state, their_id, their_at, their_code
from city_difference where reconciliation_id = $1 and place > $2::bigint order by place limit $3

-- name: trim
-- Settled records whose time is over, with their answers; the last record of what still waits or was refused stays.
delete from city_record where id in (
    select id from city_record where settled_at < $1 and state in ('accepted', 'left-out') order by settled_at limit $2)
