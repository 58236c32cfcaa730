-- What is let go when it is too old. Nothing of a lift whose alarm or case is still open, from a week before it began.

-- name: log_end
-- By partition, the first batch that is kept: none older than its time, none after the checkpoint, none that is not in chunks yet.
select b.partition, least(b.batch_no, h.last_batch, k.batch_no) as batch_no
from (
    select p.partition, (
        select b.batch_no from ingest_batch b where b.partition = p.partition and b.clock >= $1 order by b.clock, b.batch_no limit 1
    ) as batch_no
    from generate_series(0, 63) as p (partition)
) b
join checkpoint k on k.partition = b.partition
join lateral (
    select last_batch from sample_hour where sample_hour.partition = b.partition order by hour desc limit 1
) h on true
where b.batch_no is not null

-- name: kept_lifts
-- Lifts with something open, and from when on it is kept: as far back as an explanation looks.
select lift_id, min(since) - interval '7 days' as since from (
    select lift_id, hold_start as since from alarm where open
    union all
    select lift_id, opened_at from rescue_case where open and lift_id is not null
) o group by lift_id

-- name: drop_events
with gone as (
    select e.ctid from event e
    where e.partition = $1 and e.batch_no < $2 and not exists (
        select 1 from unnest($3::int[], $4::timestamptz[]) as k (lift_id, since) where k.lift_id = e.lift_id and e.at >= k.since
    ) order by e.batch_no limit $5
), done as (delete from event where ctid = any(array(select ctid from gone)) returning 1)
select count(*)::int from done

-- name: drop_contacts
with gone as (select ctid from contact where partition = $1 and batch_no < $2 order by batch_no limit $3),
done as (delete from contact where ctid = any(array(select ctid from gone)) returning 1)
select count(*)::int from done

-- name: drop_gaps
with gone as (select ctid from gap where partition = $1 and batch_no < $2 order by batch_no limit $3),
done as (delete from gap where ctid = any(array(select ctid from gone)) returning 1)
select count(*)::int from done

-- name: drop_shadows
with gone as (select ctid from shadow_transition where at < $1 limit $2),
done as (delete from shadow_transition where ctid = any(array(select ctid from gone)) returning 1)
select count(*)::int from done

-- name: drop_batches
-- Entries that a person may still ask about stay: those that found or corrected what is open.
with gone as (
    select b.ctid from ingest_batch b
    where b.partition = $1 and b.batch_no < $2 and b.clock < coalesce((select min(k) from unnest($3::timestamptz[]) as k), 'infinity')
    order by b.batch_no limit $4
), done as (delete from ingest_batch where ctid = any(array(select ctid from gone)) returning 1)
select count(*)::int from done

-- name: keep_chunks
-- What is kept of a month that goes: it is detached already, so these rows go into the default partition.
insert into sample_chunk
select c.* from /* table */ c join unnest($1::int[], $2::timestamptz[]) as k (lift_id, since) on k.lift_id = c.lift_id and c.hour >= k.since

-- name: drop_kept_chunks
with gone as (
    select c.ctid from sample_chunk_kept c
    where not exists (select 1 from unnest($1::int[], $2::timestamptz[]) as k (lift_id, since) where k.lift_id = c.lift_id and c.hour >= k.since)
    limit $3
), done as (delete from sample_chunk_kept where ctid = any(array(select ctid from gone)) returning samples)
select coalesce(sum(samples), 0)::bigint from done

-- name: drop_hours
delete from sample_hour where hour < $1
