-- The stream read back for a backtest, and the jobs that people asked for.

-- name: partitions
select distinct partition from ingest_batch where clock >= $1 and clock < $2 order by 1

-- name: steps
-- The stream between two times, cut into stretches of so many seconds: where each begins and ends, and how much it holds.
select min(batch_no) as first, max(batch_no) as last, max(clock) as clock, sum(samples)::bigint as samples,
    sum(events)::bigint as events
from ingest_batch
where partition = $1 and clock >= $2 and clock < $3 and kind = 'batch'
group by floor(extract(epoch from clock) / $4::int)
order by 1

-- name: turns
-- Where listening began or the rules changed.
select batch_no, kind, clock, rule_set from ingest_batch
where partition = $1 and clock >= $2 and clock < $3 and kind in ('listening', 'rules') order by batch_no

-- name: first_rules
-- The rules at the beginning.
select rule_set from ingest_batch where partition = $1 and clock >= $2 order by clock, batch_no limit 1

-- name: end
-- Until when time is known to have passed: a tick that changed something may be the last entry.
select max(clock) from ingest_batch where partition = $1 and clock < $2

-- name: events
select received, at, lift_id, code, active from event
where partition = $1 and batch_no >= $2 and batch_no <= $3 and (folded = 1 or at_once) and code <> 'platform-probe'
    and ($4::int[] is null or lift_id = any($4::int[]))
order by batch_no, ordinal

-- name: last_words
-- What was reported when the fold begins: the last word of each lift about each code, where it said active.
select received, at, lift_id, code, active from (
    select distinct on (lift_id, code) received, at, lift_id, code, active from event
    where partition = $1 and at < $2 and at >= $2 - interval '30 days' and (folded = 1 or at_once) and code <> 'platform-probe'
        and ($3::int[] is null or lift_id = any($3::int[]))
    order by lift_id, code, batch_no desc, ordinal desc
) last where active order by received, lift_id, code

-- name: late_event_lifts
-- Lifts with an event that came late: up to batch $2, of the time from $3 to $4.
select distinct lift_id from event
where partition = $1 and batch_no <= $2 and at >= $3 and at <= $4 and folded > 1 and code <> 'platform-probe'
    and ($5::int[] is null or lift_id = any($5::int[]))

-- name: events_in_time
-- Everything of some lifts that had come by batch $3, in the order in which it happened.
select received, at, lift_id, code, active, folded > 1 and not at_once as late from event
where partition = $1 and lift_id = any($2::int[]) and batch_no <= $3 and at >= $4 and at <= $5 and folded > 0
    and code <> 'platform-probe'
order by at, device_id, boot, seq

-- name: words_in_time
-- As `last_words`, by when it happened.
select received, at, lift_id, code, active from (
    select distinct on (lift_id, code) received, at, lift_id, code, active from event
    where partition = $1 and lift_id = any($2::int[]) and batch_no <= $3 and at < $4 and at >= $4 - interval '30 days' and folded > 0
        and code <> 'platform-probe'
    order by lift_id, code, at desc, device_id desc, boot desc, seq desc
) last where active order by at, lift_id, code

-- name: links
select received, online, lift_ids from contact
where partition = $1 and batch_no >= $2 and batch_no <= $3 order by batch_no, ordinal

-- name: lifts
select l.id, l.name, l.district, l.kind, l.rated_speed_m_s, l.parameters, l.rescue_code,
    coalesce(b.id, -1) as bottom, coalesce(t.id, -1) as top
from lift l
left join floor_label b on b.label = l.floors[1]
left join floor_label t on t.label = l.floors[cardinality(l.floors)]
where not l.probe and ($1::int[] is null or l.id = any($1::int[])) and ($2::text is null or l.district = $2)
order by l.id

-- name: claim
-- The oldest job that waits, or whose worker has not been heard from for a minute; at most three tries.
update backtest_job set state = 'running', attempts = attempts + 1, beat_at = clock_timestamp(), progress = 0
where id = (
    select id from backtest_job
    where state = 'queued' or (state = 'running' and beat_at < clock_timestamp() - interval '60 seconds' and attempts < 3)
    order by id for update skip locked limit 1
)
returning id, request, attempts

-- name: give_up
-- Three workers died over it.
update backtest_job set state = 'failed', error = 'three workers died over it', finished_at = clock_timestamp()
where state = 'running' and attempts >= 3 and beat_at < clock_timestamp() - interval '60 seconds'

-- name: beat
-- Still at it; no row when another worker has taken the job over.
update backtest_job set progress = $3, beat_at = clock_timestamp()
where id = $1 and attempts = $2 and state = 'running' returning id

-- name: finish
update backtest_job set state = 'done', progress = 1, result = $3, page = $4, finished_at = clock_timestamp()
where id = $1 and attempts = $2 and state = 'running'

-- name: fail
update backtest_job set state = 'failed', error = $3, finished_at = clock_timestamp()
where id = $1 and attempts = $2 and state = 'running'
