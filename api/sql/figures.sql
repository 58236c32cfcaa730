-- The desk's figures after ISA-18.2, over what asked it (the view `annunciation`), for a window $1 to $2.

-- name: totals
-- Alarms by severity, and the fullest hour and ten minutes; periods are counted from the window's beginning.
with asked as (
    select at, severity from annunciation where at >= $1 and at < $2 and exercise = $3
), ten as (
    select count(*) as alarms from asked group by date_bin('10 minutes', at, $1)
), hour as (
    select count(*) as alarms from asked group by date_bin('1 hour', at, $1)
)
select (select count(*) from asked where severity = 'critical') as critical,
    (select count(*) from asked where severity = 'major') as major,
    (select count(*) from asked where severity = 'minor') as minor,
    coalesce((select max(alarms) from hour), 0) as most_an_hour,
    coalesce((select max(alarms) from ten), 0) as most_in_ten,
    (select count(*) from ten where alarms > $4::integer) as busy,
    (select count(*) from alarm where detected_at >= $1 and detected_at < $2 and exercise = $3 and severity <> 'notice'
            and not exists (select 1 from lift where id = alarm.lift_id and probe))
        - (select count(*) from asked) as out_of_service

-- name: floods
-- Floods that overlap the window, and how long they lasted in it. What goes on lasts until now ($4).
select count(*) as floods,
    coalesce(sum(extract(epoch from least(coalesce(ended_at, $4), $2) - greatest(began_at, $1))), 0)::float8 as seconds
from alarm_flood
where exercise = $3 and began_at < $2 and coalesce(ended_at, $4) > $1

-- name: top_ten
-- The most frequent alarms: repeats count, because they tell which sensor to mend.
select a.rule_id, a.lift_id, sum(1 + a.repeats) as raises, sum(sum(1 + a.repeats)) over () as of_all,
    max(r.title_zh) as title_zh, max(r.title_en) as title_en,
    l.name, l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind
from annunciation n join alarm a using (id) join lift l on l.id = a.lift_id
left join rule_version r on r.rule_id = a.rule_id and r.version = a.rule_version
where n.at >= $1 and n.at < $2 and n.exercise = $3
group by a.rule_id, a.lift_id, l.id
order by raises desc, a.rule_id, a.lift_id
limit 10

-- name: present
-- What chatters, is stale, shelved or out of service at $2; stale: active since before $3.
select count(*) filter (where a.chattering) as chattering,
    count(*) filter (where a.condition = 'active' and coalesce(a.raises[cardinality(a.raises)], a.raised_at) < $3
        and a.severity <> 'notice') as stale,
    count(*) filter (where a.operator_state = 'shelved') as shelved,
    (select count(*) from out_of_service o join lift l on l.id = o.lift_id
        where o.ended_at is null and (o.until is null or o.until > $2) and l.exercise = $1 and not l.probe) as out_of_service
from alarm a join lift l on l.id = a.lift_id
where not l.probe and a.exercise = $1 and (a.open or a.chattering)

-- name: positions
select desk_positions()
