-- The dead-man's switch: the probe lift that nobody sees, and the heartbeats of every stage.

alter table lift add column probe boolean not null default false;
alter table lift add constraint lift_probe_is_exercise check (exercise or not probe);
comment on column lift.probe is 'the platform''s own lift, whose alarm shows that alarms get through: in no list, figure, count, map or scope';
create unique index lift_one_probe on lift (probe) where probe;

create function in_scope(firm smallint, probe boolean, scope integer) returns boolean language sql immutable as $$
    select case scope when 0 then not probe when -2 then probe when -3 then true else firm = scope and not probe end
$$;
comment on function in_scope is 'whether a lift is seen: 0 every firm, -2 the probe alone, -3 all of it, a firm''s number its own; null nobody';

create or replace view annunciation as
select a.id, a.lift_id, a.rule_id, a.severity, a.exercise, a.detected_at as at
from alarm a
where a.severity <> 'notice'
    and not exists (select 1 from lift l where l.id = a.lift_id and l.probe)
    and not exists (
        select 1 from out_of_service o
        where o.lift_id = a.lift_id and o.rule_id = a.rule_id and o.since <= a.detected_at
            and coalesce(o.ended_at, 'infinity') > a.detected_at and a.opens not in ('rescue', 'alarm-call'));

alter table ingest_batch add column probe boolean not null default false;
comment on column ingest_batch.probe is 'records of the probe lift and nothing else: says nothing about the age of the city''s data';
create index ingest_batch_city on ingest_batch (partition, batch_no) where kind = 'batch' and not probe;

create table heartbeat (
    part text not null check (part ~ '^[a-z-]{1,40}$'),
    stage text not null check (stage ~ '^[a-z-]{1,40}$'),
    beat_at timestamptz not null,
    lag_s real not null default 0 check (lag_s >= 0),
    written_at timestamptz not null default clock_timestamp(),
    primary key (part, stage)
) with (fillfactor = 50);
comment on table heartbeat is 'the last sign of life of every stage, written beside its work on a connection of its own';
comment on column heartbeat.beat_at is 'when the stage last went round, by the database''s clock';
comment on column heartbeat.lag_s is 'how long what it works on has been waiting';
comment on column heartbeat.written_at is 'when its process last said so; an old one is a process that stands still or is gone';
