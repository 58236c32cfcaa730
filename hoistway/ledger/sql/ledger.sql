-- The books of the ingest: the quarantine page by page, and a device's streams.

-- name: quarantine_page
-- Newest first. A row counts for a stretch of time when its first or any later copy lies in it or around it.
select id, received, last_received, topic, device, reason, detail, payload_bytes, sha256_8, times,
    replay_requested_at, replayed_at, replay_result
from quarantine
where ($1::text is null or device = $1) and ($2::text is null or reason = $2) and ($3::text is null or topic ~ $3)
    and ($4::timestamptz is null or last_received >= $4) and ($5::timestamptz is null or received < $5)
    and ($6::bytea is null or position($6 in payload) > 0 or position(convert_from($6, 'UTF8') in detail) > 0)
    and (not $7::bool or replay_result is null or replay_result not like 'accepted%')
    and id < $8
order by id desc limit $9

-- name: quarantine_reasons
-- By reason; waiting = not taken in since.
select reason, count(*) as rows, sum(times)::bigint as messages,
    count(*) filter (where replay_result is null or replay_result not like 'accepted%') as waiting,
    count(distinct device) as devices, max(last_received) as last_received
from quarantine
where ($1::text is null or device = $1) and ($2::text is null or reason = $2) and ($3::text is null or topic ~ $3)
    and ($4::timestamptz is null or last_received >= $4) and ($5::timestamptz is null or received < $5)
    and (not $6::bool or replay_result is null or replay_result not like 'accepted%')
group by reason order by rows desc, reason

-- name: quarantine_payloads
select id, payload from quarantine where id = any($1::bigint[])

-- name: quarantine_rows
select id, received, last_received, topic, device, reason, detail, payload_bytes, sha256_8, times,
    replay_requested_at, replayed_at, replay_result
from quarantine where id = any($1::bigint[]) order by id

-- name: ask_again
-- Not what was accepted, and of equal messages only the newest: the others say nothing new.
update quarantine asked set replay_requested_at = clock_timestamp(), replayed_at = null, replay_result = null
where id = any($1::bigint[]) and (replay_result is null or replay_result not like 'accepted%')
    and not exists (
        select 1 from quarantine same
        where same.topic = asked.topic and same.sha256_8 = asked.sha256_8 and same.reason = asked.reason and same.id <> asked.id
            and (same.replayed_at is null or (same.id > asked.id and same.id = any($1::bigint[])))
    )
returning id

-- name: answered
-- What became of rows that were asked for; those without a result still wait for the ingest.
select id, replay_result from quarantine where id = any($1::bigint[]) and replayed_at is not null

-- name: ledger_device
select id, device, shard, lift_id is null as gateway, revoked_at is not null as revoked,
    array(select coalesce(d.lift_id, g.lift_id) from device d left join gateway_lift g on g.device_id = d.id
        where d.id = device.id and coalesce(d.lift_id, g.lift_id) is not null
        union select lift_id from event where device_id = device.id) as lift_ids
from device where device = $1

-- name: ledger_events
select boot, incarnation, seq, received from event where device_id = $1

-- name: ledger_gaps
select stream, boot, incarnation, first_seq, last_seq, reason from gap where device_id = $1

-- name: ledger_counts
select leaf, received, stored, duplicates, quarantined, cut, coalesced from device_counter where device_id = $1 order by leaf
