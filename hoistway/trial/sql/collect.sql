-- A live run out of the store: what the rules said, and who was sent, in a period.

-- name: alarms
-- Every raise, a repeat too, with the end of that episode: the history keeps what the row has forgotten.
select r.alarm_id || '-' || r.id as id, l.rescue_code as lift, a.rule_id as rule, a.rule_version as version, a.opens,
    (r.detail ->> 'demoted')::boolean as notice, r.at as raised,
    case when r.kind = 'raised' then a.hold_start else r.at end as hold_start,
    (select min(c.at) from alarm_event c where c.alarm_id = r.alarm_id and c.kind = 'cleared' and c.id > r.id) as cleared
from alarm_event r join alarm a on a.id = r.alarm_id join lift l on l.id = a.lift_id
where r.kind in ('raised', 'repeated') and r.at >= $1 and r.at < $2 and not l.probe and l.rescue_code is not null
order by r.at, r.id
limit $3

-- name: sent
-- The first order of each case.
select l.rescue_code as lift, coalesce(a.rule_id, '') as rule, c.opened_at as opened, min(o.sent_at) as ordered,
    coalesce(c.released_at, c.closed_at) as over
from rescue_case c join lift l on l.id = c.lift_id join dispatch_order o on o.case_id = c.id
left join alarm a on a.id = c.alarm_id
where c.opened_at >= $1 and c.opened_at < $2 and not l.probe and l.rescue_code is not null
group by l.rescue_code, a.rule_id, c.id
order by c.opened_at, c.id
limit $3

-- name: fleet
select count(*) filter (where kind = 'lift') as lifts, count(*) filter (where kind = 'escalator') as escalators
from lift where not probe and rescue_code = any($1::text[])
