-- Reading the stream back.

-- name: checkpoint
select batch_no, clock, engine, devices, rule_set, shadow from checkpoint where partition = $1

-- name: batches
select batch_no, kind, clock, rule_set, state from ingest_batch where partition = $1 and batch_no > $2 order by batch_no limit $3

-- name: events
select batch_no, received, at, ts, seq, boot, incarnation, device_id, lift_id, folded, at_once, code, active
from event where partition = $1 and batch_no > $2 and batch_no <= $3 order by batch_no, ordinal

-- name: contacts
select batch_no, device_id, boot, conn, received, online, lift_ids
from contact where partition = $1 and batch_no > $2 and batch_no <= $3 order by batch_no, ordinal

-- name: gaps
select batch_no, device_id, stream, boot, incarnation, first_seq, last_seq
from gap where partition = $1 and batch_no > $2 and batch_no <= $3 order by id

-- name: active_alarms
-- What the store knows to be active, to compare with what a replay raised.
select lift_id, rule_id from alarm where open and condition = 'active'
