-- Area incidents and floods: the city as a whole, for staff only.

-- name: incident_ids
-- One page, newest first.
select id from area_incident
where ($1::boolean is null or (ended_at is null) = $1) and ($2::bigint is null or id < $2)
order by id desc
limit $3

-- name: incident_documents
select i.*, (select count(distinct lift_id) from area_incident_lift where incident_id = i.id) as lift_count
from area_incident i where i.id = any($1::bigint[])
order by i.id desc

-- name: incident_lifts
-- The lifts of each incident, those with an active alarm first, at most $2 an incident.
select * from (
    select m.incident_id, m.lift_id, array_agg(distinct m.rule_id) as rules, array_agg(m.alarm_id order by m.alarm_id) as alarm_ids,
        bool_or(a.condition = 'active') as active, min(m.joined_at) as joined_at,
        l.name, l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind,
        row_number() over (partition by m.incident_id order by bool_or(a.condition = 'active') desc, m.lift_id) as place
    from area_incident_lift m join alarm a on a.id = m.alarm_id join lift l on l.id = m.lift_id
    where m.incident_id = any($1::bigint[])
    group by m.incident_id, m.lift_id, l.id
) one
where place <= $2
order by incident_id, place

-- name: incident_cases
-- The entrapments of each incident: cases of an alarm of it, or of a lift of it while it was open. Running ones first.
select distinct on (i.id, c.id) i.id as incident_id, c.id as case_id, c.alarm_id, c.lift_id, c.state, c.open, c.opened_at,
    c.acknowledged_at, c.level, c.waits_since, coalesce(c.injured, 0) as injured, c.vulnerable,
    (select count(*) from dispatch_order o where o.case_id = c.id and o.live and o.state <> 'sent' and o.addressee <> '120'
    )::integer as coming, c.state in ('open', 'dispatched', 'on_site') as running,
    l.name, l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind
from area_incident i
join area_incident_lift m on m.incident_id = i.id
join rescue_case c on c.lift_id = m.lift_id and c.kind = 'entrapment'
    and (c.alarm_id = m.alarm_id
         or c.opened_at between i.opened_at and coalesce(i.ended_at, 'infinity')
         or c.state in ('open', 'dispatched', 'on_site') and i.ended_at is null)
join lift l on l.id = c.lift_id
where i.id = any($1::bigint[])
order by i.id, c.id

-- name: open_incidents
select id from area_incident where ended_at is null

-- name: open_floods
select id from alarm_flood where ended_at is null

-- name: flood_documents
select * from alarm_flood where id = any($1::bigint[])
