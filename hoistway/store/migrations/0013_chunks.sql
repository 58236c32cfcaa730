-- Samples at rest: rows without a btree as the log of the last hours, blocks for the open hour, a chunk a lift and hour for ever after.

drop index sample_lift_id_at_idx;
-- New partitions are hours; days that hold nothing yet make room for them. The day that is being written stays until it is over.
do $$
declare leaf record; filled boolean;
begin
    for leaf in select c.oid::regclass as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'sample'::regclass and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
    loop
        execute format('select exists (select 1 from %s)', leaf.name) into filled;
        if not filled then
            execute format('drop table %s', leaf.name);
        end if;
    end loop;
end $$;
comment on table sample is 'accepted samples of the last hours, in order of arrival; -1 and NaN are unknown; hourly partitions by server receive time, emptied when their rows are in chunks';

create table compaction (
    partition smallint primary key,
    batch_no bigint not null,
    clock timestamptz not null,
    hour timestamptz not null,
    closed timestamptz not null,
    bucket integer not null default 0,
    swept bigint not null default 0,
    check (hour <= closed)
);
comment on table compaction is 'how far the compactor is: every reader takes rows above batch_no, blocks of hours above hour, and chunks up to hour';
comment on column compaction.clock is 'clock value of batch_no';
comment on column compaction.closed is 'hours up to here get no more blocks: what still comes of them goes into the next one';
comment on column compaction.bucket is 'lifts of the closed hour below this bucket are in chunks that nobody reads yet';
comment on column compaction.swept is 'rows of batches up to here may be gone from table sample';

create table sample_block (
    slot smallint not null,
    partition smallint not null,
    hour timestamptz not null,
    bucket integer not null,
    first_batch bigint not null,
    last_batch bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    samples integer not null,
    body bytea not null
) partition by list (slot);
comment on table sample_block is 'samples of the open hour: some seconds of 64 lifts each, by lift; four tables in turn, so that each is emptied whole';
comment on column sample_block.slot is 'number of the hour since 1970 UTC, modulo 4';
comment on column sample_block.bucket is 'number of the lift / 64';
alter table sample_block alter column body set storage external;
create table sample_block_0 partition of sample_block for values in (0) with (autovacuum_enabled = false);
create table sample_block_1 partition of sample_block for values in (1) with (autovacuum_enabled = false);
create table sample_block_2 partition of sample_block for values in (2) with (autovacuum_enabled = false);
create table sample_block_3 partition of sample_block for values in (3) with (autovacuum_enabled = false);
create index on sample_block (bucket);
create index on sample_block (first_batch);
create index on sample_block (partition, hour);

create table sample_chunk (
    lift_id integer not null,
    partition smallint not null,
    astray boolean not null,
    samples integer not null,
    hour timestamptz not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    first_batch bigint not null,
    last_batch bigint not null,
    first_seq bigint not null,
    last_seq bigint not null,
    body bytea not null,
    primary key (lift_id, hour, partition)
) partition by range (hour);
comment on table sample_chunk is 'samples of one lift and hour, every column bit for bit (hoistway.samples.codec); monthly partitions';
comment on column sample_chunk.hour is 'beginning of the hour of receipt; a record that came when its hour was closed is in the next one';
comment on column sample_chunk.astray is 'holds samples that happened more than an hour before it or an hour after it, or were received before it';
alter table sample_chunk alter column body set storage external;
create index on sample_chunk using brin (hour) with (pages_per_range = 16, autosummarize = on);
create index on sample_chunk (lift_id, hour) where astray;
create table sample_chunk_kept partition of sample_chunk default;
comment on table sample_chunk_kept is 'chunks of a month that is gone, kept for alarms and cases that are still open';

create table sample_hour (
    partition smallint not null,
    hour timestamptz not null,
    first_batch bigint not null,
    last_batch bigint not null,
    samples bigint not null,
    chunks integer not null,
    primary key (partition, hour)
);
comment on table sample_hour is 'hours that are in chunks, with the batches they come from';

