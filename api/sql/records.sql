-- name: quarantine_ids
-- One page, newest first.
select id from quarantine
where ($1::text is null or device = $1) and ($2::text is null or reason = $2) and ($3::bigint is null or id < $3)
order by id desc
limit $4

-- name: quarantine_documents
select id, received, last_received, topic, device, reason, detail, payload_bytes, sha256_8, times,
    replay_requested_at, replayed_at, replay_result
from quarantine where id = any($1::bigint[])
order by id desc

-- name: quarantine_payload
select payload from quarantine where id = $1

-- name: quarantine_reasons
-- What is wrong with the fleet's messages, by reason; what was replayed is no longer wrong.
select reason, count(*) as rows, sum(times)::bigint as times, max(last_received) as last_received
from quarantine where replayed_at is null
group by reason order by rows desc, reason

-- name: request_replay
-- The ingest looks for rows that are asked for and not replayed.
update quarantine
set replay_requested_at = $2, replayed_at = null, replay_result = null
where id = $1
returning id

-- name: live_rules
select rule_id, version, title_zh, title_en, severity, opens, live, live_from from rule_version where live
order by rule_id

-- name: rule_versions
-- Newest first.
select rule_id, version, title_zh, title_en, severity, opens, live, live_from, text from rule_version
where rule_id = $1
order by live desc, live_from desc
