-- Timers are rows: claimed here, fired in the transaction that changes what they guard.

-- name: claim_due
-- One due timer at a time per transaction; another process skips it.
select t.id, t.kind, t.case_id, t.due_at
from timer t
where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null
order by t.due_at
limit 1
for update skip locked

-- name: case_of_timer
select c.kind, c.state, c.level, c.acknowledged_at, c.arrived_at, c.lift_id, c.open, l.urban
from rescue_case c join lift l on l.id = c.lift_id
where c.id = $1
for update of c

-- name: fired
update timer set fired_at = $2 where id = $1

-- name: set_level
update rescue_case set level = $2, version = version + 1 where id = $1

-- name: becomes_entrapment
-- An unanswered alarm call is treated as an entrapment, unless the lift has an open one already.
update rescue_case c set kind = 'entrapment', version = version + 1
where c.id = $1
    and not exists (
        select 1 from rescue_case o
        where o.state in ('open', 'dispatched', 'on_site') and o.lift_id = c.lift_id and o.kind = 'entrapment'
    )
returning id

-- name: touch
update rescue_case set version = version + 1 where id = $1

-- name: log
insert into case_event (case_id, kind, at, reason, before, after)
values ($1, $2, $3, $4, $5, $6)

-- name: add_timer
insert into timer (kind, case_id, due_at) values ($1, $2, $3) on conflict (kind, case_id) do nothing

-- name: overdue
-- What is late already: said when the process starts.
select t.kind, t.case_id, t.due_at from timer t
where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null order by t.due_at
