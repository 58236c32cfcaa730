-- Calls, complaints and callers: what is read to decide, and what is written.

-- name: running_of_lift
select id from rescue_case where lift_id = $1 and state in ('open', 'dispatched', 'on_site') order by id

-- name: lock_timers
-- Timers before their cases: the order in which dispatch takes them.
select id from timer where case_id = any($1::bigint[]) and fired_at is null and cancelled_at is null order by id for update

-- name: lock_cases
select id from rescue_case where id = any($1::bigint[]) order by id for update

-- name: unanswered_of_lift
-- For update: nobody answers it between this look and the line that says what joined it.
select id from complaint where lift_id = $1 and state in ('new', 'received', 'assigned') for update

-- name: call_id
select nextval(pg_get_serial_sequence('call', 'id'))

-- name: open_case
-- None when another call or an alarm was first: then this one joins it.
insert into rescue_case (kind, channel, lift_id, address, district, lon, lat, opened_at, exercise)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (lift_id, kind) where state in ('open', 'dispatched', 'on_site') do nothing
returning id

-- name: revive
-- A case of the past holds now: the desk is asked again, as when an alarm joins it.
update rescue_case set past = false, acknowledged_at = null, acknowledged_by = null where id = $1

-- name: set_facts
-- What the caller says of the people inside; null leaves a column as it is, and what is known already is not said smaller.
update rescue_case
set trapped = greatest(trapped, $2), injured = greatest(injured, $3),
    vulnerable = array(select distinct v from unnest(vulnerable || $4::text[]) v order by v)
where id = $1

-- name: open_complaint
insert into complaint (channel, lift_id, address, district, text, opened_at, exercise) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (lift_id) where state in ('new', 'received', 'assigned') do nothing
returning id

-- name: touch_complaint
update complaint set version = version + 1 where id = $1

-- name: move_complaint
-- The move was checked against the life cycle. The times of a state are those at which it is first reached.
update complaint
set state = $2, version = version + 1, firm_id = coalesce($4, firm_id), answer = coalesce($5, answer),
    received_at = case when $2 = 'received' then coalesce(received_at, $3) else received_at end,
    assigned_at = case when $2 = 'assigned' then coalesce(assigned_at, $3) else assigned_at end,
    answered_at = case when $2 = 'answered' then $3 else answered_at end,
    closed_at = case when $2 = 'closed' then $3 else closed_at end
where id = $1

-- name: note_complaint
insert into complaint_event (complaint_id, kind, at, person, role, reason, before, after) values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: set_complaint_timers
insert into complaint_timer (kind, complaint_id, due_at)
select t.kind, $1, $2::timestamptz + make_interval(secs => t.after_s) from unnest($3::text[], $4::float8[]) as t (kind, after_s)
on conflict (kind, complaint_id) do update set due_at = excluded.due_at, fired_at = null, cancelled_at = null

-- name: end_complaint_timers
update complaint_timer set cancelled_at = $2
where complaint_id = $1 and kind = any($3::text[]) and fired_at is null and cancelled_at is null

-- name: tell_of_complaint
insert into outbox (key, topic, complaint_id, addressee, addressee_id, exercise, created_at) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (key) do nothing

-- name: add_call
insert into call (id, kind, channel, at, lift_id, address, district, text, became, case_id, complaint_id, person, role, exercise)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)

-- name: add_caller
insert into caller (call_id, name, phone, taken_at) values ($1, $2, $3, $4)

-- name: limits
select value from setting where name = 'intake_limits'

-- name: link_case
-- The firm of a case that has one already stays: a person gave it to that firm.
update rescue_case c set lift_id = l.id, firm_id = coalesce(c.firm_id, l.firm_id)
from lift l where c.id = $1 and l.id = $2

-- name: link_calls
update call set lift_id = $2 where case_id = $1 and lift_id is null

-- name: claim_complaint_timers
-- What another process holds is left for its round.
select t.id, t.kind, t.complaint_id, t.due_at, c.state, c.exercise
from complaint_timer t join complaint c on c.id = t.complaint_id
where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null
order by t.due_at, t.id
limit $2
for update of t, c skip locked

-- name: complaint_timer_fired
-- Before what follows is written, because that may set the same timer anew.
update complaint_timer set fired_at = $2 where id = $1

-- name: complaint_late
update complaint set late_at = coalesce(late_at, $2), version = version + 1 where id = $1

-- name: erase_callers
-- Names and numbers whose time is over. As long as the case or the complaint of the call is open, somebody may have to call back.
update caller k set name = '', phone = '', erased_at = $1
where k.call_id = any(array(
    select o.call_id from caller o join call c on c.id = o.call_id
    left join rescue_case r on r.id = c.case_id
    left join complaint p on p.id = c.complaint_id
    where o.erased_at is null and o.taken_at <= $1::timestamptz - make_interval(days => $2)
        and not coalesce(r.open, false) and coalesce(p.state, 'closed') = 'closed'
    order by o.taken_at limit $3
    for update of o skip locked
))
returning k.call_id
