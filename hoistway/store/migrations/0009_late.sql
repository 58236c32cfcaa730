-- Late records: folded again in their place, what changes is a correction; older ones wait for the job that reads the store.

alter table event alter column folded type smallint using folded::int;
alter table event add column at_once boolean not null default false;
comment on column event.at_once is 'not in order, and yet the newest word about its code: the engine was told at once as well';
comment on column sample.folded is '1 = the engine saw it in order; 2 = came late and is folded again in its place; 3 = the same by the job from the store; 0 = its time is not known: kept for history';
comment on column event.folded is '1 = the engine saw it in order; 2 = came late and is folded again in its place; 3 = the same by the job from the store; 0 = its time is not known: kept for history';

alter table ingest_batch drop constraint ingest_batch_kind_check;
alter table ingest_batch add constraint ingest_batch_kind_check
    check (kind in ('batch', 'tick', 'listening', 'rules', 'refold', 'backfill'));
alter table ingest_batch add column state bytea;
comment on column ingest_batch.state is 'of kind refold: what the lifts concerned are afterwards, so that a replay need not fold them again; of kind listening: by how many ms the server''s clock was set forward';

create table backfill (
    lift_id integer primary key references lift (id),
    first_at timestamptz not null,
    last_at timestamptz not null,
    first_batch bigint not null,
    noted_at timestamptz not null
);
comment on column backfill.first_batch is 'the oldest batch whose late records have not been looked at';
comment on table backfill is 'lifts with records older than what can be folded again from memory, and from when to when';
create index on backfill (noted_at);

alter table rescue_case add column past boolean not null default false;
comment on column rescue_case.past is 'seen in late data after it was over: verify by voice, nobody is sent by itself';

create function in_time(raises timestamptz[]) returns timestamptz[] language sql immutable as $$
    select array(select r from (select r from unnest(raises) r order by r desc limit 3) newest order by r)
$$;
comment on function in_time is 'the newest three of some raises, oldest first';
