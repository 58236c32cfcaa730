-- Messages of the quarantine that somebody asked to take in again.

-- name: replay_requests
-- In the order in which they came, so that records of one device go in as it sent them.
select id, topic, payload, payload_bytes from quarantine
where replay_requested_at is not null and replayed_at is null order by replay_requested_at, id limit $1

-- name: stored_events
select distinct e.boot, e.seq
from event e join unnest($2::int[], $3::bigint[]) as t (boot, seq) on t.boot = e.boot and t.seq = e.seq
where e.device_id = $1
