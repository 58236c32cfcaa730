-- What a fault brings about: read and written by ingest for a new alarm, by dispatch when a maintenance order ends. Set-based.

-- name: limits
select value from setting where name = 'ticket_limits'

-- name: probe
-- The platform's own lift has no firm and no faults that anybody mends.
select id from lift where probe and id = any($1::int[])

-- name: tickets
-- Of the lifts $1: tickets that are somebody's work, those done since $2, and those that stand for any of the alarms $3. Locked: nobody
-- moves one between this look and the line that says what joined it.
select t.id, t.lift_id, t.family, t.state, t.severity, t.firm_id, t.promised_at, t.done_at, t.climbed, t.exercise, t.version,
    array(select j.alarm_id from ticket_alarm j where j.ticket_id = t.id and j.alarm_id = any($3::bigint[])) as alarm_ids
from ticket t
where t.lift_id = any($1::int[]) and t.family is not null
    and (t.open or t.state in ('done', 'verified') and t.done_at > $2
        or t.id in (select ticket_id from ticket_alarm where alarm_id = any($3::bigint[])))
order by t.id
for update of t

-- name: shields
-- Maintenance orders of the lifts $1 that do not end before $2. Held: none is settled while a fault is being looked at.
select id, lift_id, since, least(until, ended_at) as until, settled_at is not null as settled
from maintenance_order
where lift_id = any($1::int[]) and least(until, ended_at) > $2
order by id
for share

-- name: open
-- At most one unmended ticket of a lift and family; who comes second joins it.
insert into ticket (lift_id, family, rule_id, rule_version, severity, opened_at, promised_at, exercise, number)
select t.lift_id, t.family, t.rule_id, t.rule_version, t.severity, $7, $7::timestamptz + make_interval(secs => t.promise_s), t.exercise, ''
from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $8::bool[])
    as t (lift_id, family, rule_id, rule_version, severity, promise_s, exercise)
on conflict (lift_id, family) where state in ('new', 'accepted', 'working', 'reopened') do nothing
returning id, lift_id, family, firm_id, number

-- name: join
-- A raise that joins a ticket counts. A new alarm makes a new version; the same alarm again does not, or nobody could ever act on a
-- ticket whose fault comes and goes.
with named as (
    select * from unnest($1::bigint[], $2::bigint[], $3::bool[]) as n (ticket_id, alarm_id, counts)
), new_ones as (
    insert into ticket_alarm (ticket_id, alarm_id, joined_at) select distinct ticket_id, alarm_id, $4::timestamptz from named
    on conflict do nothing
    returning ticket_id, alarm_id
), touched as (
    update ticket t set repeats = t.repeats + s.repeats, version = t.version + case when s.new_ones > 0 then 1 else 0 end,
        last_joined_at = case when s.repeats > 0 then $4 else t.last_joined_at end
    from (
        select n.ticket_id, count(*) filter (where n.counts) as repeats, count(o.alarm_id) as new_ones
        from named n left join new_ones o on o.ticket_id = n.ticket_id and o.alarm_id = n.alarm_id
        group by n.ticket_id
    ) s
    where t.id = s.ticket_id
)
select ticket_id, alarm_id from new_ones

-- name: shield
-- The latest raise of each, because a repair in between does not mend it.
insert into shielded_fault as f (order_id, alarm_id, severity, at)
select o, a, s, at from unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[]) as t (o, a, s, at)
on conflict (order_id, alarm_id) do update set at = greatest(f.at, excluded.at), severity = excluded.severity

-- name: contradicted
-- Late data says that the alarms $1 had not been: a line on the tickets that stand for them, never the end of one.
select ticket_id, alarm_id from ticket_alarm where alarm_id = any($1::bigint[])

-- name: forgotten
-- Faults that hold, open a ticket and have none; of the version before, or left out by ingest.
select a.id as alarm_id, a.lift_id, a.rule_id, a.rule_version, a.severity, a.raised_at, a.exercise
from alarm a join lift l on l.id = a.lift_id and not l.probe
where a.open and a.condition = 'active' and a.opens = 'ticket'
    and not exists (select 1 from ticket_alarm j where j.alarm_id = a.id)
    and not exists (select 1 from shielded_fault s join maintenance_order o on o.id = s.order_id
        where s.alarm_id = a.id and (o.settled_at is null or s.ticket_id is not null))
order by a.id
limit $1
