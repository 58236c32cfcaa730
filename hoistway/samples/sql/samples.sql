-- Samples in whatever form they are. Names of columns are put in by the reader: our own columns and nothing else.

-- name: hold
-- First of all: from here on nothing that a snapshot may need is emptied. Takes no snapshot itself. And by index: tables that are
-- emptied whole have no statistics, and the planner would read all of them for a few rows. And alone: other cores are for ingest.
lock table sample, sample_block in access share mode; set local enable_seqscan = off; set local max_parallel_workers_per_gather = 0

-- name: marks
-- Every partition that has a stream, and how far it is compacted; null where the compactor has not been yet.
select p.partition, m.batch_no, m.hour, m.closed, m.swept
from generate_series(0, 63) as p (partition) left join compaction m on m.partition = p.partition
where exists (select 1 from ingest_batch b where b.partition = p.partition)

-- name: rows
-- The log from where the compactor has come to ($1 and, by partition, $2). The range of batches finds the pages (BRIN).
select /* columns */ from sample
where batch_no > $1 and batch_no > coalesce(($2::bigint[])[partition + 1], 0) and batch_no between $3 and $4
    and ($5::smallint is null or partition = $5) and ($6::int[] is null or lift_id = any($6::int[]))
    and at between $7 and $8 and received between $9 and $10

-- name: newest_rows
select distinct on (lift_id) /* columns */ from sample
where batch_no > $1 and batch_no > coalesce(($2::bigint[])[partition + 1], 0) and ($3::int[] is null or lift_id = any($3::int[]))
order by lift_id, at desc, batch_no desc, ordinal desc

-- name: blocks_of_buckets
-- By bucket and nothing else: `+ 0` keeps the planner from an index that says nothing here.
select b.body from sample_block b join compaction m on m.partition = b.partition
where b.bucket = any($4::int[]) and b.hour > m.hour and b.first_batch + 0 <= $2 and b.last_batch >= $1
    and ($3::smallint is null or b.partition = $3) and b.first_at <= $6 and b.last_at >= $5

-- name: blocks_of_batches
-- A move is one range of batches, and a later one begins behind it.
select b.body from sample_block b join compaction m on m.partition = b.partition
where b.first_batch between $2 and $4 and b.last_batch >= $3 and b.partition = $1 and b.hour > m.hour

-- name: chunks_of_lifts
-- By lift and hour; and those of any hour that hold samples of other hours.
select c.body from sample_chunk c join compaction m on m.partition = c.partition
where c.lift_id = any($1::int[]) and c.hour between $2 and $3 and c.hour <= m.hour
    and c.first_batch <= $5 and c.last_batch >= $4 and ($6::smallint is null or c.partition = $6)
    and c.first_at <= $8 and c.last_at >= $7 and c.first_seq <= $10 and c.last_seq >= $9
union all
select c.body from sample_chunk c join compaction m on m.partition = c.partition
where c.lift_id = any($1::int[]) and c.hour not between $2 and $3 and c.hour <= m.hour and c.astray
    and c.first_batch <= $5 and c.last_batch >= $4 and ($6::smallint is null or c.partition = $6)
    and c.first_at <= $8 and c.last_at >= $7 and c.first_seq <= $10 and c.last_seq >= $9

-- name: chunks_of_batches
select c.body from sample_chunk c
where c.hour between $1 and $2 and c.partition = $3 and c.first_batch <= $5 and c.last_batch >= $4

-- name: hours_of_batches
-- The hours whose chunks hold batches of a range.
select min(h.hour) as first, max(h.hour) as last from sample_hour h join compaction m using (partition)
where h.partition = $1 and h.hour <= m.hour and h.first_batch <= $3 and h.last_batch >= $2

-- name: hour_of_batch
-- The first hour in chunks that ends with this batch or a later one, and how much it holds of the lifts that are asked for.
select h.hour, h.first_batch, h.last_batch,
    case when $3::int[] is null then h.samples
        else (select coalesce(sum(c.samples), 0) from sample_chunk c where c.lift_id = any($3::int[]) and c.hour = h.hour) end as samples
from sample_hour h join compaction m using (partition)
where h.partition = $1 and h.hour <= m.hour and h.last_batch >= $2 order by h.hour limit 1

-- name: batch_within
-- How far the stream goes on from a batch with at most so many samples.
select max(batch_no) from (
    select batch_no, sum(samples) over (order by batch_no) as n
    from (
        select batch_no, samples from ingest_batch where partition = $1 and batch_no between $2 and $3
        order by batch_no limit $5
    ) next
) counted where n <= $4 or batch_no = $2

-- name: oldest_chunk
select min(c.first_at) from sample_chunk c join compaction m on m.partition = c.partition
where c.lift_id = $1 and c.hour <= m.hour

-- name: newest_chunks
-- The newest chunk of each lift.
select c.body from unnest($1::int[]) as wanted (id)
cross join lateral (
    select c.body from sample_chunk c join compaction m on m.partition = c.partition
    where c.lift_id = wanted.id and c.hour <= m.hour order by c.hour desc limit 1
) c
