-- Seals of the log, and what a check of it reads.

-- name: last_seal
select number, root from seal order by number desc limit 1

-- name: moved_heads
-- Heads that moved since they were sealed. One that moves on meanwhile is sealed again by the next.
select case_id, seq, hash, sealed_seq from case_head where seq > sealed_seq order by case_id limit $1

-- name: add_seal
insert into seal (number, at, cases, lines, root) values ($1, $2, $3, $4, $5)

-- name: add_seal_heads
insert into seal_head (seal, case_id, seq, hash) select $1, t.* from unnest($2::bigint[], $3::int[], $4::bytea[]) as t (case_id, seq, hash)

-- name: mark_sealed
update case_head h set sealed_seq = t.seq from unnest($1::bigint[], $2::int[]) as t (case_id, seq) where h.case_id = t.case_id

-- name: seals_after
select number, at, cases, lines, root from seal where number > $1 order by number

-- name: unsealed
select coalesce(sum(seq - sealed_seq), 0)::bigint from case_head where seq > sealed_seq

-- name: case_ids
-- Of everything that ever had a line: the log, the heads and the seals.
select case_id from case_event where case_id > $1 union select case_id from case_head where case_id > $1
union select case_id from seal_head where case_id > $1 order by 1 limit $2

-- name: lines
select case_id, seq, kind, (extract(epoch from at) * 1000000)::bigint as at_us,
    (extract(epoch from recorded_at) * 1000000)::bigint as recorded_us, person, role, reason, before::text as before,
    after::text as after, hash
from case_event where case_id = any($1::bigint[]) order by case_id, seq

-- name: heads
select case_id, seq, hash from case_head where case_id = any($1::bigint[])

-- name: seal_heads_of_cases
select seal, case_id, seq, hash from seal_head where case_id = any($1::bigint[])

-- name: seal_heads
select case_id, seq, hash from seal_head where seal = $1
