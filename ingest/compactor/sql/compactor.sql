-- Moving samples. Every step is one transaction that also notes how far it came, so that it is done once or not at all.

-- name: alone
-- One compactor works, another waits. Gone with its connection.
select pg_try_advisory_lock(1214605171)

-- name: quiet
-- Never in anybody's way: no lock is waited for long, and its commits need not be on disk before those of the ingest. (What they
-- move is emptied by a later transaction that is.)
select set_config('lock_timeout', '100ms', false), set_config('statement_timeout', '120s', false),
    set_config('synchronous_commit', 'off', false), set_config('enable_seqscan', 'off', false), set_config('max_parallel_workers_per_gather', '0', false)

-- name: partitions
-- Where each partition's stream begins and ends, and how far it is compacted.
select p.partition, head.batch_no as head, m.batch_no, m.hour, m.closed, m.bucket, m.clock
from generate_series(0, 63) as p (partition)
cross join lateral (
    select batch_no from ingest_batch where ingest_batch.partition = p.partition order by batch_no desc limit 1
) head
left join compaction m on m.partition = p.partition
order by p.partition

-- name: begin
insert into compaction (partition, batch_no, clock, hour, closed)
select $1, b.batch_no - 1, b.clock, '1970-01-01', '1970-01-01'
from ingest_batch b where b.partition = $1 order by b.batch_no limit 1
on conflict do nothing

-- name: waiting
-- The batches that wait, as many as are moved at once: up to which one, how many samples, and for how long the oldest has waited.
select max(batch_no) as upto, max(clock) as clock, coalesce(sum(samples), 0)::bigint as samples,
    extract(epoch from clock_timestamp() - min(committed_at) filter (where samples > 0))::float8 as waited_s
from (
    select batch_no, clock, samples, committed_at, sum(samples) over (order by batch_no) - samples as before
    from (
        select batch_no, clock, samples, committed_at from ingest_batch
        where partition = $1 and batch_no > $2 order by batch_no limit $4
    ) next
) counted where before < $3

-- name: rows
select /* columns */ from sample where partition = $1 and batch_no > $2 and batch_no <= $3

-- name: moved
-- No row: somebody else has moved them.
update compaction set batch_no = $3, clock = $4 where partition = $1 and batch_no = $2 returning 1

-- name: hour_to_close
-- The next hour with blocks, when it is over for the stream, or by the clock when nothing waits.
select b.hour from compaction m
cross join lateral (
    select hour from sample_block where sample_block.partition = m.partition and sample_block.hour > m.hour order by hour limit 1
) b
where m.partition = $1 and b.hour + interval '1 hour' + make_interval(secs => $2)
    <= case when $3::bool then greatest(clock_timestamp(), m.clock) else m.clock end

-- name: close
update compaction set closed = $2, bucket = 0 where partition = $1 and closed < $2 and hour = closed returning 1

-- name: buckets
select bucket, sum(samples)::bigint as samples from sample_block
where slot = $1 and partition = $2 and hour = $3 and bucket >= $4 group by bucket order by bucket

-- name: blocks
select body from sample_block where slot = $1 and partition = $2 and hour = $3 and bucket = any($4::int[])

-- name: merged
-- No row: somebody else has merged them.
update compaction set bucket = $4 where partition = $1 and closed = $2 and hour < closed and bucket = $3 returning 1

-- name: note_hour
insert into sample_hour (partition, hour, first_batch, last_batch, samples, chunks)
select partition, hour, min(first_batch), max(last_batch), sum(samples), count(*)
from sample_chunk where partition = $1 and hour = $2 group by partition, hour

-- name: counts
-- What went in is what came out, before anybody relies on it.
select (select sum(samples) from sample_block where slot = $1 and partition = $2 and hour = $3) as blocks,
    (select samples from sample_hour where partition = $2 and hour = $3) as chunks

-- name: hour_done
update compaction set hour = closed, bucket = 0 where partition = $1 and closed = $2 and hour < closed returning 1

-- name: month
select to_regclass($1) is not null

-- name: leaves
-- The partitions of a table with the end of their range; null for the default one.
select c.oid::regclass::text as name, bound[1]::timestamptz as begins, bound[2]::timestamptz as ends
from pg_inherits i join pg_class c on c.oid = i.inhrelid
left join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as bound on true
where i.inhparent = $1::text::regclass order by 3, 1

-- name: may_go
-- By partition: up to which batch rows of the log are in blocks or chunks and before the last checkpoint, up to when that is, and the newest batch.
select p.partition, case when k.batch_no is null then 0 else least(m.batch_no, k.batch_no) end as batch_no,
    coalesce(h.batch_no, 0) as head,
    case when h.batch_no = m.batch_no then greatest(clock_timestamp(), m.clock) when h.batch_no is not null then coalesce(m.clock, '1970-01-01') end as clock
from generate_series(0, 63) as p (partition)
left join compaction m on m.partition = p.partition left join checkpoint k on k.partition = p.partition
left join lateral (
    select batch_no from ingest_batch where ingest_batch.partition = p.partition order by batch_no desc limit 1
) h on true
order by 1

-- name: filled
select exists (select 1 from /* table */)

-- name: above
-- Rows of later batches than those of their partitions; $2 is the least of them and finds the pages.
select exists (select 1 from /* table */ where batch_no > $2 and batch_no > coalesce(($1::bigint[])[partition + 1], 0))

-- name: blocks_needed
select exists (
    select 1 from /* table */ b left join compaction m using (partition) where b.hour > coalesce(m.hour, '-infinity')
)

-- name: month_samples
select coalesce(sum(samples), 0)::bigint from /* table */

-- name: month_kept
select coalesce(sum(c.samples), 0)::bigint from sample_chunk_kept c join /* table */ using (lift_id, hour, partition)

-- name: swept
update compaction m set swept = greatest(m.swept, t.batch_no)
from unnest($1::bigint[]) with ordinality as t (batch_no, n) where m.partition = t.n - 1

-- name: ingest_behind_s
-- How long the oldest sample of the newest batch had waited when it was committed.
select max(extract(epoch from b.committed_at - (
        select min(s.received) from sample s where s.partition = b.partition and s.batch_no = b.batch_no
    )))::float8
from generate_series(0, 63) as p (partition)
cross join lateral (
    select partition, batch_no, committed_at from ingest_batch
    where ingest_batch.partition = p.partition and batch_no > (
        select max(batch_no) - 50 from ingest_batch where ingest_batch.partition = p.partition
    ) and samples > 0 and committed_at > clock_timestamp() - interval '10 seconds'
    order by batch_no desc limit 1
) b
