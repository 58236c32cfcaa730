-- Timers are rows: claimed here, fired in the transaction that changes what they guard.

-- name: claim_due
-- Due timers with their cases: all ($3 null) or one. What another transaction holds is left for the next round, so nobody waits
-- for anybody; $4 are left out for a while, because they failed.
select t.id, t.kind, t.case_id, t.order_id, t.due_at
from timer t join rescue_case c on c.id = t.case_id
where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null
    and ($3::bigint is null or t.id = $3) and t.id <> all($4::bigint[])
order by t.due_at, t.id
limit $2
for update of t, c skip locked

-- name: due
select t.id from timer t where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null order by t.due_at, t.id limit $2

-- name: claim_waiting
-- Who waits for a station, and entrapments of open area incidents that only level 1 was sent to; the most urgent first.
select c.id from rescue_case c
where c.open and c.state in ('open', 'dispatched', 'on_site') and c.kind = 'entrapment' and not c.past
    and (c.waits_since is not null or c.level = 1 and c.state <> 'on_site' and exists (
        select 1 from area_incident_lift m join area_incident i on i.id = m.incident_id
        where m.lift_id = c.lift_id and i.ended_at is null and i.exercise = c.exercise
    ))
order by coalesce(c.injured, 0) = 0, c.vulnerable = '{}', c.opened_at, c.id
limit $1
for update of c skip locked

-- name: fired
-- Before what follows is written, because that may set the same timer anew.
update timer set fired_at = $2 where id = any($1::bigint[])

-- name: overdue
-- Every step that is late at $1, with who owns it: the crew of the order, the desk, or dispatch itself.
select t.kind, t.case_id, t.order_id, t.due_at, case
        when t.order_id is not null then coalesce(u.name, f.name, o.addressee)
        when t.kind in ('send', 'arrive', 'arrive-again') then 'dispatch'
        else 'the desk'
    end as owner
from timer t
left join dispatch_order o on o.id = t.order_id
left join unit u on u.id = o.unit_id
left join firm f on f.id = o.firm_id
where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null
order by t.due_at, t.id

-- name: forgotten
-- Entrapments that nobody is on the way to and no timer watches: a round of dispatch is to look at them at once.
insert into timer (kind, case_id, due_at)
select 'send', c.id, $1 from rescue_case c
where c.kind = 'entrapment' and c.state in ('open', 'dispatched') and not c.past and c.open
    and not exists (select 1 from timer t where t.case_id = c.id and t.fired_at is null and t.cancelled_at is null)
    and not exists (select 1 from dispatch_order o where o.case_id = c.id and o.live)
on conflict on constraint timer_once do update set due_at = excluded.due_at, fired_at = null, cancelled_at = null
returning case_id

-- name: hasten
-- Nobody is at the desk: what waits for somebody to acknowledge these cases is due at once.
update timer set due_at = $2
where case_id = any($1::bigint[]) and kind = 'acknowledge' and due_at > $2 and fired_at is null and cancelled_at is null
    and not desk_is_staffed($2)
