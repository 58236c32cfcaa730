-- Area incidents: what the decision reads, and what its plan writes.

-- name: area_limits
select name, value from setting where name in ('area_building', 'area_estate', 'area_feeder', 'area_district')

-- name: area_alarms
-- Active alarms that count, with the areas of their lifts. What a person took out of service does not count.
select a.id, a.lift_id, a.rule_id, coalesce(a.raises[cardinality(a.raises)], a.raised_at) as at, a.exercise,
    l.estate, l.building, l.feeder, l.district
from alarm a join lift l on l.id = a.lift_id
where not l.probe and a.open and a.condition = 'active' and (a.rule_id in ('power-lost', 'offline') or a.opens = 'rescue')
    and (a.opens = 'rescue' or not exists (
        select 1 from out_of_service o where o.lift_id = a.lift_id and o.rule_id = a.rule_id and o.ended_at is null))
order by a.id

-- name: open_incidents
select i.id, i.kind, i.name, i.exercise, i.opened_at, array(
    select alarm_id from area_incident_lift where incident_id = i.id
) as alarm_ids
from area_incident i where i.ended_at is null order by i.id

-- name: open_incident
insert into area_incident (kind, name, cause, opened_at, last_joined_at, active_lifts, exercise)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (kind, name, exercise) where ended_at is null do nothing
returning id

-- name: join_incident
insert into area_incident_lift (incident_id, alarm_id, lift_id, rule_id, joined_at)
select $1, t.alarm_id, t.lift_id, t.rule_id, $5
from unnest($2::bigint[], $3::int[], $4::text[]) as t (alarm_id, lift_id, rule_id)
on conflict (incident_id, alarm_id) do nothing

-- name: update_incident
-- Only what really changed is news to the consoles.
update area_incident
set cause = coalesce($2, cause), active_lifts = $3, last_joined_at = case when $4 then $5 else last_joined_at end,
    ended_at = case when $6 then greatest($5, opened_at) end, version = version + 1
where id = $1 and ended_at is null
    and ($4 or $6 or cause is distinct from coalesce($2, cause) or active_lifts <> $3)
