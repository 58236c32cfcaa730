-- name: alarm_ids
-- One page, newest first. Scope 0 is every firm; a missing scope matches nothing; the probe is in no firm (`in_scope`).
select a.id
from alarm a join lift l on l.id = a.lift_id
where in_scope(l.firm_id, l.probe, $1)
  and ($2::boolean is null or a.open = $2)
  and ($3::integer is null or a.lift_id = $3)
  and ($4::text is null or a.rule_id = $4)
  and ($5::bigint is null or a.id < $5)
  and ($7::text is null or a.operator_state = $7)
order by a.id desc
limit $6

-- name: alarm_documents
-- The alarm as every reader sees it. Its case is the one it opened, else the one of its kind that was open then.
-- Stale (ISA-18.2) is active for more than a day since its latest raise, at $3 or now.
select a.id, a.lift_id, a.rule_id, a.rule_version, a.severity, a.opens, a.condition, a.operator_state, a.hold_start,
    a.raised_at, a.detected_at, a.cleared_at, a.repeats, a.acknowledged_at, a.acknowledged_by, a.exercise, a.version,
    a.open, a.shelved_until, a.shelved_by, a.shelve_reason, a.chattering, a.witnesses, a.correction,
    up.last_raised_at, a.condition = 'active'
        and up.last_raised_at < coalesce($3::timestamptz, clock_timestamp()) - interval '24 hours' as stale,
    a.opens not in ('rescue', 'alarm-call') and exists (
        select 1 from out_of_service o where o.lift_id = a.lift_id and o.rule_id = a.rule_id and o.ended_at is null
    ) as out_of_service, r.title_zh, r.title_en, c.id as case_id,
    case when l.probe then -2 else l.firm_id end as firm_id, l.name, l.rescue_code, l.estate, l.building, l.address,
    l.district, l.kind as lift_kind
from alarm a
join lift l on l.id = a.lift_id
cross join lateral (select coalesce(a.raises[cardinality(a.raises)], a.raised_at) as last_raised_at) up
left join rule_version r on r.rule_id = a.rule_id and r.version = a.rule_version
left join lateral (
    select id from rescue_case
    where lift_id = a.lift_id
      and (alarm_id = a.id
           or ((a.opens = 'rescue' and kind = 'entrapment' or a.opens = 'alarm-call')
               and opened_at <= a.detected_at and coalesce(released_at, closed_at, 'infinity') > a.detected_at))
    order by (alarm_id = a.id) desc nulls last, id desc limit 1
) c on true
where a.id = any($2::bigint[]) and in_scope(l.firm_id, l.probe, $1)
order by a.id desc

-- name: alarm_evidence
select evidence from alarm where id = $1

-- name: alarm_history
select kind, at, recorded_at, person, role, detail from alarm_event where alarm_id = $1 order by id

-- name: alarms_of_case
-- The unacknowledged alarms that a case stands for: not those that came after its release, which have a case of their own.
select a.id
from rescue_case c join alarm a on a.lift_id = c.lift_id
where c.id = $1 and a.operator_state <> 'acknowledged'
  and (a.id = c.alarm_id
       or ((a.opens = 'rescue' and c.kind = 'entrapment' or a.opens = 'alarm-call')
           and c.opened_at <= a.detected_at and coalesce(c.released_at, c.closed_at, 'infinity') > a.detected_at))
  and not exists (select 1 from rescue_case later where later.alarm_id = a.id and later.id > c.id)
order by a.id

-- name: lock_alarms
-- Alarms before cases, ascending: the order in which the ingest takes them.
select id from alarm where id = any($1::bigint[]) order by id for update

-- name: acknowledge_alarm
update alarm
set operator_state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3, version = version + 1
where id = $1 and operator_state = 'unacknowledged'
returning id

-- name: touch_alarm
-- A comment is a change that other desks must see.
update alarm set version = version + 1 where id = $1

-- name: note_alarm
insert into alarm_event (alarm_id, kind, at, person, role, detail) values ($1, $2, $3, $4, $5, $6)

-- name: case_ids
-- One page, newest first.
select c.id
from rescue_case c join lift l on l.id = c.lift_id
where in_scope(l.firm_id, l.probe, $1)
  and ($2::boolean is null or c.open = $2)
  and ($3::integer is null or c.lift_id = $3)
  and ($4::text is null or c.kind = $4)
  and ($5::bigint is null or c.id < $5)
order by c.id desc
limit $6

-- name: case_documents
-- The case as every reader sees it, with the timers that guard it.
select c.id, c.kind, c.channel, c.lift_id, c.state, c.level, c.alarm_id, c.opened_at, c.acknowledged_at,
    c.acknowledged_by, c.dispatched_at, c.arrived_at, c.released_at, c.closed_at, c.trapped, c.confirmed_by,
    c.confirmation, c.device_says_clear_at, c.contact_lost_at, c.reported_by_device, c.past, c.exercise, c.version, c.open,
    t.kinds as timer_kinds, t.due as timer_due, t.fired as timer_fired,
    case when l.probe then -2 else l.firm_id end as firm_id, l.name, l.rescue_code, l.estate, l.building, l.address,
    l.district, l.kind as lift_kind
from rescue_case c
join lift l on l.id = c.lift_id
left join lateral (
    select array_agg(kind order by due_at, id) as kinds, array_agg(due_at order by due_at, id) as due,
        array_agg(fired_at order by due_at, id) as fired
    from timer where case_id = c.id and cancelled_at is null
) t on true
where c.id = any($2::bigint[]) and in_scope(l.firm_id, l.probe, $1)
order by c.id desc

-- name: case_log
select kind, at, recorded_at, person, role, reason, before, after from case_event where case_id = $1 order by id

-- name: lock_timers
-- Timers before their case: the order in which the dispatch process takes them.
select id from timer where case_id = $1 and fired_at is null and cancelled_at is null order by id for update

-- name: lock_case
select id from rescue_case where id = $1 for update

-- name: acknowledge_case
update rescue_case
set acknowledged_at = $2, acknowledged_by = $3, version = version + 1
where id = $1 and acknowledged_at is null and open
returning id

-- name: touch_case
update rescue_case set version = version + 1 where id = $1

-- name: move_case
-- The move itself was checked against the life cycle; the times of a state are set when it is first reached.
update rescue_case
set state = $2,
    version = version + 1,
    acknowledged_at = coalesce(acknowledged_at, $3),
    acknowledged_by = coalesce(acknowledged_by, $4),
    dispatched_at = case when $2 = 'dispatched' then $3 else dispatched_at end,
    arrived_at = case when $2 = 'on_site' then $3 else arrived_at end,
    released_at = case when $2 = 'released' then $3 else released_at end,
    closed_at = case when $2 in ('closed', 'cancelled') then $3 else closed_at end,
    trapped = coalesce($5, trapped),
    confirmed_by = case when $6::text is null then confirmed_by else $4 end,
    confirmation = coalesce($6, confirmation)
where id = $1

-- name: cancel_timers
-- What has been done needs no reminding. $3: these kinds only; null is every kind.
update timer set cancelled_at = $2
where case_id = $1 and fired_at is null and cancelled_at is null and ($3::text[] is null or kind = any($3))

-- name: note_case
insert into case_event (case_id, kind, at, person, role, reason, before, after) values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: open_alarms_of_lift
select id from alarm where lift_id = $1 and open order by id desc

-- name: open_cases_of_lift
select id from rescue_case where lift_id = $1 and open order by id desc
