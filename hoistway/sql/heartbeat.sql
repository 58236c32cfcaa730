-- Heartbeats: written by every process, read by the watcher and the API.

-- name: write
insert into heartbeat (part, stage, beat_at, lag_s, written_at)
select $1, t.stage, clock_timestamp() - make_interval(secs => t.age_s), t.lag_s, clock_timestamp()
from unnest($2::text[], $3::float8[], $4::float8[]) as t (stage, age_s, lag_s)
on conflict (part, stage) do update
set beat_at = excluded.beat_at, lag_s = excluded.lag_s, written_at = excluded.written_at

-- name: read
select part, stage, lag_s::float8, greatest(0, extract(epoch from clock_timestamp() - beat_at))::float8 as age_s,
    greatest(0, extract(epoch from clock_timestamp() - written_at))::float8 as written_s
from heartbeat order by part, stage
