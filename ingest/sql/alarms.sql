-- What alarm transitions do to the rows of alarms and cases, in the batch's own transaction.

-- name: raise
-- At most one open alarm per lift and rule: a repeat counts up on the open one. The third raise within 10 min is chattering:
-- it joins the newest row even when that was acknowledged and cleared; never for what may hold a person.
-- What grew more severe asks the desk again, acknowledged or shelved: the trigger alarm_asks_again.
with t as (
    select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
        $8::text[], $10::text[]) as t (lift_id, rule_id, rule_version, severity, opens, hold_start, raised_at, evidence, seen_by)
), n as (
    select t.*, a.id as newest, (a.raises || t.raised_at)[cardinality(a.raises) - 1:] as raises,
        coalesce(t.opens not in ('rescue', 'alarm-call') and t.raised_at - interval '10 min' < case
            when a.chattering then greatest(a.raises[cardinality(a.raises)], a.cleared_at)
            else a.raises[cardinality(a.raises) - 1] end and not may_hold_person(t.rule_id), false) as chattering
    from t left join lateral (
        select id, raises, chattering, cleared_at from alarm where lift_id = t.lift_id and rule_id = t.rule_id
        order by id desc limit 1
    ) a on true
), joined as (
    update alarm a
    set condition = 'active', cleared_at = null, operator_state = 'unacknowledged', acknowledged_at = null,
        acknowledged_by = null, repeats = a.repeats + 1, severity = n.severity, opens = n.opens, raises = n.raises,
        chattering = true, witnesses = seen(a.witnesses, n.seen_by), version = a.version + 1
    from n
    where a.id = n.newest and not a.open and n.chattering and a.cleared_at > n.raised_at - interval '10 min'
    returning new.id, new.lift_id, new.rule_id, new.opens, n.raised_at, new.repeats, new.exercise, null::text as was,
        new.operator_state as becomes, new.chattering and not old.chattering as chatters
), made as (
    insert into alarm as a (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at, detected_at,
        evidence, exercise, raises, chattering, witnesses)
    select n.lift_id, n.rule_id, n.rule_version, n.severity, n.opens, 'active', n.hold_start, n.raised_at, $9,
        n.evidence::jsonb, l.exercise, coalesce(n.raises, array[n.raised_at]), n.chattering,
        seen('{}', n.seen_by)
    from n join lift l on l.id = n.lift_id
    where not exists (select 1 from joined where joined.id = n.newest)
    on conflict (lift_id, rule_id) where open do update
    set condition = 'active', cleared_at = null, repeats = a.repeats + 1, severity = excluded.severity, opens = excluded.opens,
        raises = excluded.raises, chattering = excluded.chattering, witnesses = excluded.witnesses, version = a.version + 1
    returning new.id, new.lift_id, new.rule_id, new.opens, new.raised_at, new.repeats, new.exercise, old.operator_state as was,
        new.operator_state as becomes, new.chattering and not coalesce(old.chattering, false) as chatters
)
select * from joined union all select * from made

-- name: clear
update alarm a set condition = 'cleared', cleared_at = t.at, version = a.version + 1
from unnest($1::int[], $2::text[], $3::timestamptz[]) as t (lift_id, rule_id, at)
where a.lift_id = t.lift_id and a.rule_id = t.rule_id and a.open and a.condition = 'active'
returning a.id, a.lift_id, a.rule_id, a.opens, a.cleared_at as at

-- name: amend
-- An alarm that stays active: promoted (it was only a notice), more severe by a level, or seen by another witness.
update alarm a set severity = t.severity, opens = t.opens, witnesses = seen(a.witnesses, t.seen_by), version = a.version + 1
from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
    as t (lift_id, rule_id, severity, opens, at, seen_by)
where a.lift_id = t.lift_id and a.rule_id = t.rule_id and a.open and a.condition = 'active'
returning a.id, a.lift_id, a.rule_id, a.opens, t.at as raised_at, a.repeats, a.exercise, old.operator_state as was,
    new.operator_state as becomes, false as chatters, old.severity as severity_was, new.severity,
    old.opens as opens_was, old.witnesses as witnesses_were, new.witnesses

-- name: alarm_events
insert into alarm_event (alarm_id, kind, at, detail)
select t.alarm_id, t.kind, t.at, t.detail::jsonb
from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) as t (alarm_id, kind, at, detail)

-- name: notice
-- A message that could not be read from a lift that is known: one line at the desk, open until somebody has seen it.
insert into alarm as a (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at, detected_at,
    cleared_at, evidence, exercise)
select t.lift_id, $2, 'built-in', 'notice', 'notice', 'cleared', $3, $3, $3, $3, t.evidence::jsonb, l.exercise
from unnest($1::int[], $4::text[]) as t (lift_id, evidence) join lift l on l.id = t.lift_id
on conflict (lift_id, rule_id) where open do update
set repeats = a.repeats + 1, version = a.version + 1
returning id, repeats

-- name: first_notice
-- The same of a device that goes on and on: said only where no line is open.
insert into alarm as a (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at, detected_at,
    cleared_at, evidence, exercise)
select t.lift_id, $2, 'built-in', 'notice', 'notice', 'cleared', $3, $3, $3, $3, t.evidence::jsonb, l.exercise
from unnest($1::int[], $4::text[]) as t (lift_id, evidence) join lift l on l.id = t.lift_id
on conflict (lift_id, rule_id) where open do nothing
returning id, repeats

-- name: hourly_notice
-- Said once, not for each of thousands; again after an hour. Records whose time nobody knows, and security events.
insert into alarm as a (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at, detected_at,
    cleared_at, evidence, exercise)
select t.lift_id, $2, 'built-in', 'notice', 'notice', 'cleared', $3, $3, $3, $3, t.evidence::jsonb, l.exercise
from unnest($1::int[], $4::text[]) as t (lift_id, evidence) join lift l on l.id = t.lift_id
where not exists (
    select 1 from alarm o where o.lift_id = t.lift_id and o.rule_id = $2 and o.raised_at > $3::timestamptz - interval '1 hour'
)
on conflict (lift_id, rule_id) where open do nothing
returning id

-- name: open_cases
-- One open case per lift and kind: an alarm of a lift that has one joins it.
insert into rescue_case (kind, channel, lift_id, alarm_id, opened_at, exercise, reported_by_device)
select t.kind, 'S04', t.lift_id, t.alarm_id, $4, t.exercise, t.by_device
from unnest($1::text[], $2::int[], $3::bigint[], $5::bool[], $6::bool[]) as t (kind, lift_id, alarm_id, exercise, by_device)
on conflict (lift_id, kind) where state in ('open', 'dispatched', 'on_site') do nothing
returning id, lift_id, kind

-- name: raise_calls
-- An open alarm call of a lift in which somebody is now known to be trapped is that entrapment.
update rescue_case c set kind = 'entrapment', version = version + 1
where c.state in ('open', 'dispatched', 'on_site') and c.kind = 'alarm-call' and c.lift_id = any($1::int[])
    and not exists (
        select 1 from rescue_case o
        where o.state in ('open', 'dispatched', 'on_site') and o.lift_id = c.lift_id and o.kind = 'entrapment'
    )
returning id, lift_id

-- name: holds_now
-- A case of the past whose lift has an alarm now is a running one: the desk is asked again.
update rescue_case set past = false, acknowledged_at = null, acknowledged_by = null, version = version + 1
where past and kind = 'entrapment' and state in ('open', 'dispatched', 'on_site') and lift_id = any($1::int[])
returning id, lift_id

-- name: timers_again
-- Of a case that has become a running one: from now on, whatever had been due before.
insert into timer (kind, case_id, due_at)
select * from unnest($1::text[], $2::bigint[], $3::timestamptz[])
on conflict on constraint timer_once do update set due_at = excluded.due_at, fired_at = null, cancelled_at = null

-- name: open_cases_of
-- For update: nobody may end the case between this look and the line that says what joined it.
select id, lift_id, kind from rescue_case
where state in ('open', 'dispatched', 'on_site') and lift_id = any($1::int[])
order by id for update

-- name: case_events
insert into case_event (case_id, kind, at, reason, after)
select t.case_id, t.kind, t.at, t.reason, t.after::jsonb
from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[]) as t (case_id, kind, at, reason, after)

-- name: timers
-- One that runs is due at the earlier time; one that was fired or ended stays so.
insert into timer (kind, case_id, due_at)
select t.kind, t.case_id, min(t.due_at) from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as t (kind, case_id, due_at)
group by t.kind, t.case_id
on conflict on constraint timer_once do update set due_at = least(timer.due_at, excluded.due_at)
where timer.fired_at is null and timer.cancelled_at is null

-- name: device_says_clear
-- The car says its doors are open at a landing: shown on the case, never the end of it.
update rescue_case set device_says_clear_at = $2, version = version + 1
where open and kind = 'entrapment' and lift_id = any($1::int[]) and device_says_clear_at is null
returning id

-- name: joined
-- A case that an alarm joined is not the case that somebody looked at a moment ago: its version rises.
update rescue_case c
set device_says_clear_at = case when kind = 'entrapment' then null else device_says_clear_at end,
    reported_by_device = reported_by_device or t.by_device, version = version + 1
from (select id, bool_or(by_device) as by_device from unnest($1::bigint[], $2::bool[]) as u (id, by_device) group by id) t
where c.id = t.id

-- name: device_says_trapped
-- The device joined our own rule as a witness.
update rescue_case set reported_by_device = true, version = version + 1
where open and kind = 'entrapment' and not reported_by_device and lift_id = any($1::int[])
returning id

-- name: contact_lost
update rescue_case set contact_lost_at = $2, version = version + 1
where open and lift_id = any($1::int[]) and contact_lost_at is null
returning id

-- name: contact_back
update rescue_case set contact_lost_at = null, version = version + 1
where open and lift_id = any($1::int[]) and contact_lost_at is not null
returning id
