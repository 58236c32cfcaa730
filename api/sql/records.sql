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
-- What is wrong with the fleet's messages, by reason; what was taken in since is no longer wrong.
select reason, count(*) as rows, sum(times)::bigint as times, max(last_received) as last_received
from quarantine where replay_result is null or replay_result not like 'accepted%'
group by reason order by rows desc, reason

-- name: request_replay
-- The ingest looks for rows that are asked for and not replayed.
update quarantine
set replay_requested_at = $2, replayed_at = null, replay_result = null
where id = $1
returning id

-- name: live_rules
-- With who published the text first.
select v.rule_id, v.version, v.title_zh, v.title_en, v.severity, v.opens, v.live, v.live_from, p.author, p.number, p.comment,
    p.published_at
from rule_version v
left join lateral (
    select s.author, s.number, s.comment, s.published_at
    from rule_set_rule f join rule_set s on s.number = f.rule_set
    where f.rule_id = v.rule_id and f.version = v.version order by s.number limit 1
) p on true
where v.live order by v.rule_id

-- name: rule_versions
-- Newest first.
select v.rule_id, v.version, v.title_zh, v.title_en, v.severity, v.opens, v.live, v.live_from, v.text, p.author, p.number,
    p.comment, p.published_at
from rule_version v
left join lateral (
    select s.author, s.number, s.comment, s.published_at
    from rule_set_rule f join rule_set s on s.number = f.rule_set
    where f.rule_id = v.rule_id and f.version = v.version order by s.number limit 1
) p on true
where v.rule_id = $1
order by v.live desc, p.number desc nulls last, v.live_from desc
