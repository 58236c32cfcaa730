-- Who is at the desk from when to when, and the sheet that one hands to the next.

-- name: shifts
-- Those that are not over for longer than a day, the first first.
select d.id, d.person_id, p.name, p.role, d.since, d.until, d.left_at,
    exists (select 1 from session s where s.person_id = p.id and s.ended_at is null and s.expires_at > clock_timestamp()) as logged_in,
    d.since <= $1 and d.until > $1 and d.left_at is null as now
from desk_shift d join person p on p.id = d.person_id
where d.until > $1::timestamptz - interval '1 day' and ($2::bigint is null or d.id = $2)
order by d.since, d.id limit $3

-- name: staffed
select desk_is_staffed($1)

-- name: desk_people
-- Who can be at the desk.
select id, name, role, districts from person
where disabled_at is null and role in ('dispatcher', 'supervisor', 'admin') order by name

-- name: desk_person
select id, name, districts, totp_since is not null as has_factor from person
where name = $1 and disabled_at is null and role in ('dispatcher', 'supervisor', 'admin')

-- name: add_shift
insert into desk_shift (person_id, since, until, planned_by) values ($1, $2, $3, $4) returning id

-- name: shift_overlaps
select 1 from desk_shift where person_id = $1 and left_at is null and since < $3 and until > $2

-- name: cancel_shift
-- One that has begun is handed over instead.
delete from desk_shift where id = $1 and since > $2 returning id

-- name: leave_shift
-- Of the one who leaves, and every session with it.
with gone as (
    update desk_shift set left_at = $2 where person_id = $1 and left_at is null and since <= $2 and until > $2::timestamptz - interval '12 hours'
)
update session set ended_at = clock_timestamp() where person_id = $1 and ended_at is null

-- name: begin_shift
-- The planned one, from now on if it is early; else one of $4 hours.
with planned as (
    update desk_shift set since = least(since, greatest($2, until - interval '24 hours')) where id = (
        select id from desk_shift where person_id = $1 and left_at is null and since <= $2::timestamptz + interval '2 hours' and until > $2
        order by since limit 1
    ) returning id
)
insert into desk_shift (person_id, since, until, planned_by)
select $1, $2, $2::timestamptz + make_interval(hours => $4), $3 where not exists (select 1 from planned)

-- name: sheet_cases
-- Open cases, entrapments first, the oldest first.
select c.id, c.kind, c.state, c.level, c.opened_at, c.acknowledged_by, c.waits_since, c.arrived_at, c.trapped, c.exercise, l.name,
    l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind, count(*) over () as of_all
from rescue_case c join lift l on l.id = c.lift_id
where c.open and not l.probe order by c.kind <> 'entrapment', c.opened_at, c.id limit $1

-- name: sheet_timers
-- Steps that are late at $1, with who owns them.
select t.kind, t.case_id, t.due_at, case when t.order_id is not null then coalesce(u.name, f.name, o.addressee) end as owner,
    count(*) over () as of_all
from timer t
left join dispatch_order o on o.id = t.order_id
left join unit u on u.id = o.unit_id
left join firm f on f.id = o.firm_id
where t.due_at <= $1 and t.fired_at is null and t.cancelled_at is null order by t.due_at, t.id limit $2

-- name: sheet_shelved
-- Shelved alarms that come back before $1.
select a.id, a.rule_id, a.shelved_until, a.shelved_by, a.shelve_reason, r.title_zh, r.title_en, l.name, l.rescue_code, l.estate,
    l.building, l.address, l.district, l.kind as lift_kind, count(*) over () as of_all
from alarm a join lift l on l.id = a.lift_id
left join rule_version r on r.rule_id = a.rule_id and r.version = a.rule_version
where a.operator_state = 'shelved' and a.shelved_until <= $1 and not l.probe order by a.shelved_until, a.id limit $2

-- name: sheet_unreachable
-- Contacts whose last attempt failed, or who did not answer a drill.
select contact, channel, since, reason, count(*) over () as of_all from unreachable_contact order by since desc, contact limit $1

-- name: add_handover
insert into handover (at, leaving_id, leaving, leaving_proof, coming_id, coming, coming_proof, districts, notes, sheet)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id

-- name: handovers
-- Newest first.
select id, at, leaving, coming from handover where $1::bigint is null or id < $1 order by id desc limit $2

-- name: handover
select id, at, leaving, leaving_proof, coming, coming_proof, notes, sheet from handover where id = $1
