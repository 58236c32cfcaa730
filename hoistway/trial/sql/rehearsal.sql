-- What a rehearsal asks of the platform's own database, and its report.

-- name: lifts
select id, rescue_code from lift where rescue_code is not null

-- name: next_due
select min(due_at) from timer where fired_at is null and cancelled_at is null

-- name: new_cases
select c.id, c.kind, c.lift_id, c.opened_at from rescue_case c where c.id > $1 order by c.id

-- name: new_orders
select o.id, o.case_id, o.addressee, o.state, o.sent_at from dispatch_order o where o.id > $1 order by o.id

-- name: case
select id, kind, lift_id, state, level, version, trapped from rescue_case where id = $1

-- name: order
select id, case_id, state from dispatch_order where id = $1

-- name: step_waits
select count(*) from case_step where case_id = $1 and step = 'call-119' and done_at is null

-- name: sent
select l.rescue_code as lift, coalesce(a.rule_id, '') as rule, c.opened_at as opened, min(o.sent_at) as ordered,
    coalesce(c.released_at, c.closed_at) as over
from rescue_case c join lift l on l.id = c.lift_id join dispatch_order o on o.case_id = c.id
left join alarm a on a.id = c.alarm_id
group by l.rescue_code, a.rule_id, c.id
order by c.opened_at, c.id

-- name: cases
-- One line a case, with the seconds that its steps took.
select c.kind, c.state, c.level, c.trapped,
    extract(epoch from c.acknowledged_at - c.opened_at)::float8 as acknowledged_s,
    extract(epoch from (select min(o.sent_at) from dispatch_order o where o.case_id = c.id) - c.opened_at)::float8 as sent_s,
    extract(epoch from (select min(o.accepted_at) from dispatch_order o where o.case_id = c.id)
        - (select min(o.sent_at) from dispatch_order o where o.case_id = c.id))::float8 as accepted_s,
    extract(epoch from c.arrived_at - c.opened_at)::float8 as arrived_s,
    extract(epoch from c.released_at - c.arrived_at)::float8 as on_site_s
from rescue_case c order by c.id

-- name: log
select kind, count(*) as lines from case_event group by kind order by kind

-- name: alarms
select rule_id, count(*) + sum(repeats) as raises from alarm group by rule_id order by rule_id

-- name: incidents
select cause, count(*) as incidents from area_incident group by cause order by cause

-- name: rest
select (select count(*) from alarm_flood) as floods, (select count(*) from outbox) as messages,
    (select count(*) from outbox where not exercise) as real_messages,
    (select count(*) from timer where fired_at is null and cancelled_at is null and due_at <= $1) as overdue,
    (select count(*) from rescue_case where open) as open_cases
