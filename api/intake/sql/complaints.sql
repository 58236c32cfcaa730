-- Complaints as they are read.

-- name: complaint_ids
-- One page, newest first. $2: true those that wait for an answer, false the others; $3: true those of which a limit has passed.
select id from complaint
where ($1::text is null or state = $1) and ($2::boolean is null or (state in ('new', 'received', 'assigned')) = $2)
    and ($3::boolean is null or (late_at is not null) = $3) and ($4::integer is null or lift_id = $4)
    and ($5::bigint is null or id < $5)
order by id desc limit $6

-- name: complaint_documents
select c.id, c.channel, c.lift_id, c.address as said_address, c.district as said_district, c.text, c.state, c.firm_id, f.name as firm_name,
    c.opened_at, c.received_at, c.assigned_at, c.answered_at, c.closed_at, c.late_at, c.answer, c.exercise, c.version,
    (select count(*) from call k where k.complaint_id = c.id) as calls, t.kinds as timer_kinds, t.due as timer_due, t.fired as timer_fired,
    l.name, l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind
from complaint c
left join firm f on f.id = c.firm_id
left join lift l on l.id = c.lift_id
left join lateral (
    select array_agg(kind order by due_at, id) as kinds, array_agg(due_at order by due_at, id) as due,
        array_agg(fired_at order by due_at, id) as fired
    from complaint_timer where complaint_id = c.id and cancelled_at is null
) t on true
where c.id = any($1::bigint[])
order by c.id desc

-- name: lock_complaint
-- Timers before their complaint: the order in which dispatch takes them.
with timers as (select id from complaint_timer where complaint_id = $1 and fired_at is null and cancelled_at is null order by id for update)
select c.id from complaint c where c.id = $1 and (select count(*) from timers) >= 0 for update of c

-- name: complaint_log
select kind, at, recorded_at, person, role, reason, before, after from complaint_event where complaint_id = $1 order by id

-- name: firm_exists
select 1 from firm where id = $1

-- name: firms
select id, name from firm order by name
