-- Timers of tickets and ends of maintenance orders: claimed here, carried out in the transaction that changes what they guard.

-- name: due
select id from ticket_timer where due_at <= $1 and fired_at is null and cancelled_at is null order by due_at, id limit $2

-- name: claim_due
-- Due timers with their tickets: all ($3 null) or one; $4 are left out for a while, because they failed. What another transaction
-- holds is left for the next round.
select r.id, r.kind, r.ticket_id, r.due_at
from ticket_timer r join ticket t on t.id = r.ticket_id
where r.due_at <= $1 and r.fired_at is null and r.cancelled_at is null
    and ($3::bigint is null or r.id = $3) and r.id <> all($4::bigint[])
order by r.due_at, r.id
limit $2
for update of r, t skip locked

-- name: fired
-- Before what follows is written, because that may set the same timer anew.
update ticket_timer set fired_at = $2 where id = any($1::bigint[])

-- name: overdue
-- Every step of a ticket that is late at $1, with who owns it.
select r.kind, r.ticket_id, t.number, r.due_at, case r.kind when 'verify' then 'the desk' else coalesce(f.name, 'the desk') end as owner
from ticket_timer r join ticket t on t.id = r.ticket_id left join firm f on f.id = t.firm_id
where r.due_at <= $1 and r.fired_at is null and r.cancelled_at is null
order by r.due_at, r.id

-- name: claim_ended
-- Maintenance orders that are over and not settled.
select id from maintenance_order
where settled_at is null and least(until, ended_at) <= $1
order by least(until, ended_at), id
limit $2
for update skip locked

-- name: still_holding
-- Alarms of those orders that hold to this moment and call for a ticket.
select s.order_id, a.id as alarm_id, a.lift_id, a.rule_id, a.rule_version, a.severity, s.at as raised_at, a.exercise
from shielded_fault s join alarm a on a.id = s.alarm_id
where s.order_id = any($1::bigint[]) and s.ticket_id is null and a.condition = 'active' and a.opens = 'ticket'
order by a.id

-- name: settled
update maintenance_order set settled_at = $2, version = version + 1 where id = any($1::bigint[])

-- name: got_ticket
update shielded_fault s set ticket_id = j.ticket_id
from (select alarm_id, max(ticket_id) as ticket_id from ticket_alarm where alarm_id = any($2::bigint[]) group by alarm_id) j
where s.order_id = any($1::bigint[]) and s.alarm_id = j.alarm_id

-- name: tell_readers
-- Consoles hear that alarms are shielded no more.
insert into change (kind, object_id, lift_id)
select distinct 'alarm', a.id, a.lift_id from shielded_fault s join alarm a on a.id = s.alarm_id where s.order_id = any($1::bigint[]) and a.open
