-- The stored stream of one lift, to fold it again.

-- name: alarm
select a.id, a.lift_id, a.rule_id, a.rule_version, a.severity, a.opens, a.hold_start, a.raised_at, a.detected_at,
    a.cleared_at, a.repeats, a.evidence, a.correction, v.text, v.title_zh, v.title_en
from alarm a left join rule_version v on v.rule_id = a.rule_id and v.version = a.rule_version
where a.id = $1

-- name: lift
-- What the engine knew of the lift; the labels of its lowest and highest floor, -1 unknown.
select l.id, l.name, l.kind, l.rated_speed_m_s, l.parameters, l.updated_at,
    coalesce((select f.id from floor_label f where f.label = l.floors[1]), -1) as bottom,
    coalesce((select f.id from floor_label f where f.label = l.floors[cardinality(l.floors)]), -1) as top
from lift l where l.id = $1

-- name: detection
-- The entry that found an alarm: its clock is the alarm's detected_at.
select partition, batch_no, kind, clock, rule_set from ingest_batch
where clock = $1 order by batch_no desc limit 1

-- name: corrected
-- The entry that last said something else of an alarm than had been known: a refold or a backfill.
select b.partition, b.batch_no, b.kind, b.clock, b.rule_set from ingest_batch b
where b.kind in ('refold', 'backfill')
  and b.clock = (select max(at) from alarm_event where alarm_id = $1 and kind in ('late', 'amended', 'contradicted'))
order by b.batch_no desc limit 1

-- name: events_in_time
select batch_no, received, at, code, active from event
where lift_id = $1 and partition = $2 and batch_no <= $3 and at >= $4 and at <= $5 and folded > 0 order by at, device_id, boot, seq

-- name: oldest_event_of_lift
select min(at) from event where lift_id = $1

-- name: events_of_lift
select batch_no, received, at, code, active from event
where lift_id = $1 and partition = $2 and batch_no <= $3 and at >= $4 and (folded = 1 or at_once) order by batch_no, ordinal

-- name: events_before
-- The last word about each code before the fold begins.
select distinct on (code) 0::bigint as batch_no, received, at, code, active from event
where lift_id = $1 and partition = $2 and at < $3 and (folded = 1 or at_once) order by code, batch_no desc, ordinal desc

-- name: links_of_lift
select batch_no, received, online from contact
where partition = $2 and batch_no <= $3 and received >= $4 and $1 = any(lift_ids) order by batch_no, ordinal

-- name: link_before
select 0::bigint as batch_no, received, online from contact
where partition = $2 and received < $3 and received >= $3 - interval '1 day' and $1 = any(lift_ids) order by batch_no desc limit 1

-- name: first_entry
-- Where a fold begins that begins at a time.
select batch_no, rule_set from ingest_batch where partition = $1 and clock >= $2 order by clock, batch_no limit 1

-- name: entries_of_fold
-- The clock values of the batches with records of the lift, and where listening began or the rules changed.
select batch_no, kind, clock, rule_set from ingest_batch
where partition = $1 and batch_no >= $2 and batch_no <= $3
    and (kind in ('listening', 'rules') or batch_no = any($4::bigint[]))
order by batch_no
