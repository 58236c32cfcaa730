-- Reading the stream back.

-- name: checkpoint
select batch_no, clock, engine, devices from checkpoint where partition = $1

-- name: heard
-- Lifts that ever gave a sign of life, by terminal or gateway: only of these is silence an alarm.
with spoken as (select device_id from device_counter union select device_id from link)
select d.lift_id from device d join spoken s on s.device_id = d.id where d.lift_id is not null
union
select g.lift_id from gateway_lift g join spoken s on s.device_id = g.device_id

-- name: batches
select batch_no, kind, clock from ingest_batch where partition = $1 and batch_no > $2 order by batch_no limit $3

-- name: samples
-- The columns stand in the order of `ingest.pack.COLUMNS`; a test holds the two together.
select received, at, batch_no, ts, seq, boot, incarnation, device_id, lift_id, ordinal, partition, folded,
    service_mode, car_status, car_direction, door_zone, car_position, door_status, door_closed, passenger,
    landing_door_locked, speed, load, people, power, safety_chain, temperature, vibration, light, signal, battery,
    running_hours, runs, door_cycles, operation_status, operation_direction, handrail_left, handrail_right,
    step_missing, occupied
from sample where partition = $1 and batch_no > $2 and batch_no <= $3 order by batch_no, ordinal

-- name: events
select batch_no, received, at, ts, seq, boot, incarnation, device_id, lift_id, code, active
from event where partition = $1 and batch_no > $2 and batch_no <= $3 order by batch_no, ordinal

-- name: contacts
select batch_no, lift_id, received, online
from contact where partition = $1 and batch_no > $2 and batch_no <= $3 order by batch_no, ordinal
