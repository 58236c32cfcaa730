-- What time does to the desk: shelved alarms come back, chattering ends, floods begin and end.

-- name: unshelve_due
-- Back on the desk, unacknowledged, when the time that a person has set is over. Another process skips what one holds.
with due as (
    select id, shelved_until, shelved_by from alarm
    where operator_state = 'shelved' and shelved_until <= $1 order by id limit 1000 for update skip locked
), back as (
    update alarm a
    set operator_state = 'unacknowledged', shelved_until = null, shelved_by = null, shelve_reason = null,
        acknowledged_at = null, acknowledged_by = null, version = version + 1
    from due where a.id = due.id
    returning a.id
), noted as (
    insert into alarm_event (alarm_id, kind, at, detail)
    select id, 'unshelved', $1, jsonb_build_object('before', jsonb_build_object('shelved_until', shelved_until,
        'shelved_by', shelved_by), 'after', jsonb_build_object('operator_state', 'unacknowledged'))
    from due
)
select count(*) from back

-- name: calm_chattering
-- So long without a raise or a clear, and the alarm is an ordinary one again.
with due as (
    select id from alarm
    where chattering and greatest(raises[cardinality(raises)], cleared_at) <= $1::timestamptz - make_interval(secs => $2)
    order by id limit 1000 for update skip locked
), calm as (
    update alarm a set chattering = false, version = version + 1 from due where a.id = due.id returning a.id
)
select count(*) from calm

-- name: in_service_due
-- A removal whose time is over ends; its open alarms count again.
with due as (
    select id, lift_id, rule_id, until from out_of_service
    where ended_at is null and until <= $1 order by id limit 1000 for update skip locked
), ended as (
    update out_of_service o set ended_at = due.until from due where o.id = due.id
    returning o.lift_id, o.rule_id
), held as (
    select a.id from alarm a join ended using (lift_id, rule_id) where a.open order by a.id for update of a
), touched as (
    update alarm a set version = version + 1 from held where a.id = held.id returning a.id
), noted as (
    insert into alarm_event (alarm_id, kind, at) select id, 'in-service', $1 from held
)
select count(*) from ended

-- name: answer_probe
-- The probe's alarm has come as far as dispatch: the watcher waits for this. It is what a dispatcher does, on a lift that none sees.
with due as (
    select a.id from lift l join alarm a on a.lift_id = l.id and a.open
    where l.probe and a.operator_state <> 'acknowledged' for update of a skip locked
), answered as (
    update alarm a
    set operator_state = 'acknowledged', acknowledged_at = $1, acknowledged_by = 'hoistway', version = a.version + 1,
        shelved_until = null, shelved_by = null, shelve_reason = null
    from due where a.id = due.id
    returning a.id
), noted as (
    insert into alarm_event (alarm_id, kind, at, person) select id, 'acknowledged', $1, 'hoistway' from due
)
select count(*) from answered

-- name: positions
select desk_positions()

-- name: lock_round
-- One process at a time looks at the whole city; another does its round a second later.
select pg_try_advisory_xact_lock(x'6465736b'::int, $1)

-- name: alarms_lately
-- What asked the desk in the $2 seconds before $1, real and exercise apart, with the flood that is on.
select e.exercise, f.id as flood_id, (
    select count(*) from annunciation n
    where n.exercise = e.exercise and n.at > $1::timestamptz - make_interval(secs => $2) and n.at <= $1
)::integer as alarms
from (values (false), (true)) as e (exercise)
left join alarm_flood f on f.exercise = e.exercise and f.ended_at is null

-- name: begin_flood
insert into alarm_flood (exercise, positions, began_at, peak) values ($1, $2, $3, $4)
on conflict (exercise) where ended_at is null do nothing

-- name: flood_peak
update alarm_flood set peak = $2, version = version + 1 where id = $1 and peak < $2

-- name: end_flood
update alarm_flood set ended_at = greatest($2, began_at), version = version + 1 where id = $1
