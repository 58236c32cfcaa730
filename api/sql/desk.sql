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
-- Its ticket is the newest that stands for it, where the lift's firm has it; a maintenance order, the one that holds it back.
-- Stale (ISA-18.2) is active for more than a day since its latest raise, at $3 or now.
select a.id, a.lift_id, a.rule_id, a.rule_version, a.severity, a.opens, a.condition, a.operator_state, a.hold_start,
    a.raised_at, a.detected_at, a.cleared_at, a.repeats, a.acknowledged_at, a.acknowledged_by, a.exercise, a.version,
    a.open, a.shelved_until, a.shelved_by, a.shelve_reason, a.chattering, a.witnesses, a.correction,
    up.last_raised_at, a.condition = 'active'
        and up.last_raised_at < coalesce($3::timestamptz, clock_timestamp()) - interval '24 hours' as stale,
    a.opens not in ('rescue', 'alarm-call') and exists (
        select 1 from out_of_service o where o.lift_id = a.lift_id and o.rule_id = a.rule_id and o.ended_at is null
    ) as out_of_service, r.title_zh, r.title_en, c.id as case_id, k.id as ticket_id, m.id as maintenance_order_id,
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
           or ((a.opens = 'rescue' and kind = 'entrapment' or a.opens = 'alarm-call' and kind <> 'fault')
               and opened_at <= a.detected_at and coalesce(released_at, closed_at, 'infinity') > a.detected_at))
    order by (alarm_id = a.id) desc nulls last, id desc limit 1
) c on true
left join lateral (
    select max(t.id) as id from ticket_alarm j join ticket t on t.id = j.ticket_id
    where j.alarm_id = a.id and t.firm_id is not distinct from l.firm_id
) k on a.opens = 'ticket'
left join lateral (
    select max(s.order_id) as id from shielded_fault s join maintenance_order o on o.id = s.order_id
    where s.alarm_id = a.id and o.settled_at is null
) m on a.opens = 'ticket'
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
       or ((a.opens = 'rescue' and c.kind = 'entrapment' or a.opens = 'alarm-call' and c.kind <> 'fault')
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
from rescue_case c left join lift l on l.id = c.lift_id
where in_scope(coalesce(c.firm_id, l.firm_id), coalesce(l.probe, false), $1)
  and ($2::boolean is null or c.open = $2)
  and ($3::integer is null or c.lift_id = $3)
  and ($4::text is null or c.kind = $4)
  and ($5::bigint is null or c.id < $5)
order by c.id desc
limit $6

-- name: case_documents
-- The case as every reader sees it, with its orders, its check list and the timers that guard it. It stays with the firm that had
-- the contract when it opened, until a person hands it over. One by address shows the address where a lift has its name.
select c.id, c.kind, c.channel, c.lift_id, c.state, c.level, c.alarm_id, c.opened_at, c.acknowledged_at,
    c.acknowledged_by, c.dispatched_at, c.accepted_at, c.arrived_at, c.released_at, c.closed_at, c.trapped, c.confirmed_by,
    c.confirmation, c.device_says_clear_at, c.contact_lost_at, c.reported_by_device, c.past, c.exercise, c.version, c.open,
    c.waits_since, c.injured, c.dead, c.vulnerable, c.release_method, f.name as firm_name, o.orders, s.steps,
    t.kinds as timer_kinds, t.due as timer_due, t.fired as timer_fired, t.orders as timer_orders,
    case when l.probe then -2 else coalesce(c.firm_id, l.firm_id) end as firm_id, coalesce(l.name, c.address) as name, l.rescue_code,
    coalesce(l.estate, '') as estate, coalesce(l.building, '') as building, coalesce(l.address, '') as address,
    coalesce(l.district, c.district) as district, coalesce(l.kind, 'lift') as lift_kind,
    (select count(*) from call where call.case_id = c.id) as calls
from rescue_case c
left join lift l on l.id = c.lift_id
left join firm f on f.id = coalesce(c.firm_id, l.firm_id)
left join lateral (
    select jsonb_agg(d.document order by d.id) as orders from order_document d where d.case_id = c.id
) o on true
left join lateral (
    select jsonb_agg(jsonb_build_object('step', step, 'done_at', rfc3339(done_at), 'person', person, 'note', note)
        order by array_position(array['call-119', 'tell-address', 'tell-access', 'meet-crew', 'offer-120', 'tell-supervisor'], step)
    ) as steps
    from case_step where case_id = c.id
) s on true
left join lateral (
    select array_agg(kind order by due_at, id) as kinds, array_agg(due_at order by due_at, id) as due,
        array_agg(fired_at order by due_at, id) as fired, array_agg(order_id order by due_at, id) as orders
    from timer where case_id = c.id and cancelled_at is null
) t on true
where c.id = any($2::bigint[]) and in_scope(coalesce(c.firm_id, l.firm_id), coalesce(l.probe, false), $1)
order by c.id desc

-- name: case_log
select kind, at, recorded_at, person, role, reason, before, after from case_event where case_id = $1 order by id

-- name: lock_timers
-- Timers before their case: the order in which the dispatch process takes them.
select id from timer where case_id = $1 and fired_at is null and cancelled_at is null order by id for update

-- name: lock_case
select id from rescue_case where id = $1 for update

-- name: touch_case
update rescue_case set version = version + 1 where id = $1

-- name: set_facts
-- What is known of the people inside; null leaves a column as it is. The version rises with the rest of the act.
update rescue_case
set trapped = coalesce($2, trapped), injured = coalesce($3, injured), dead = coalesce($4, dead),
    vulnerable = coalesce($5, vulnerable), release_method = coalesce($6, release_method)
where id = $1

-- name: note_case
insert into case_event (case_id, kind, at, person, role, reason, before, after) values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: open_alarms_of_lift
select id from alarm where lift_id = $1 and open order by id desc

-- name: open_cases_of_lift
select id from rescue_case where lift_id = $1 and open order by id desc
