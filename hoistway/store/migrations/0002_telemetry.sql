-- The durable stream: every accepted record with its place in the stream, and what was refused.

create table ingest_batch (
    partition smallint not null,
    batch_no bigint not null,
    token uuid not null unique,
    kind text not null check (kind in ('batch', 'tick', 'listening')),
    clock timestamptz not null,
    epoch bigint not null,
    samples integer not null default 0,
    events integer not null default 0,
    committed_at timestamptz not null default clock_timestamp(),
    primary key (partition, batch_no)
);
comment on table ingest_batch is 'place and clock value of the stream; a tick is stored only when it changed something';
comment on column ingest_batch.token is 'known before the commit: after an unknown outcome it tells whether the batch is in';
comment on column ingest_batch.clock is 'the now that the engine was given';

create table floor_label (
    id smallint primary key,
    label text not null unique check (length(label) between 1 and 4)
);
comment on table floor_label is 'displayed floors, interned so that sample rows have a constant width';

create table sample (
    received timestamptz not null,
    at timestamptz not null,
    batch_no bigint not null,
    ts bigint not null,
    seq bigint not null,
    boot integer not null,
    incarnation integer not null,
    device_id integer not null,
    lift_id integer not null,
    ordinal integer not null,
    partition smallint not null,
    folded smallint not null,
    service_mode smallint not null,
    car_status smallint not null,
    car_direction smallint not null,
    door_zone smallint not null,
    car_position smallint not null,
    door_status smallint not null,
    door_closed smallint not null,
    passenger smallint not null,
    landing_door_locked smallint not null,
    speed real not null,
    load real not null,
    people real not null,
    power smallint not null,
    safety_chain smallint not null,
    temperature real not null,
    vibration real not null,
    light smallint not null,
    signal real not null,
    battery real not null,
    running_hours real not null,
    runs real not null,
    door_cycles real not null,
    operation_status smallint not null,
    operation_direction smallint not null,
    handrail_left real not null,
    handrail_right real not null,
    step_missing smallint not null,
    occupied smallint not null
) partition by range (received);
comment on table sample is 'accepted samples in order of arrival; -1 and NaN are unknown; daily partitions by server receive time';
comment on column sample.at is 'device time corrected by the offset of its boot: the time the engine folds in';
comment on column sample.folded is '1 = the engine saw it in order; 0 = came late, kept for history';
comment on column sample.ts is 'device clock, ms since 1970 UTC, as sent';
create index on sample (lift_id, at);
create index on sample using brin (batch_no);
create table sample_default partition of sample default;

create table event (
    partition smallint not null,
    batch_no bigint not null,
    ordinal integer not null,
    received timestamptz not null,
    at timestamptz not null,
    ts bigint not null,
    seq bigint not null,
    boot integer not null,
    incarnation integer not null,
    device_id integer not null,
    lift_id integer not null,
    folded boolean not null,
    code text not null,
    active boolean not null,
    data jsonb not null default '{}',
    primary key (device_id, boot, incarnation, seq)
);
comment on column event.folded is 'false = an older word about its code than what was known: kept for history';
comment on table event is 'accepted device events (faults, events, alarms); the key is the promise that none is stored twice';
create index on event (lift_id, at);
create index on event (batch_no);

create table link (
    device_id integer primary key references device (id),
    online boolean not null,
    boot integer not null,
    conn bigint not null,
    received timestamptz not null
);
comment on table link is 'last word of each device about its connection';

create table contact (
    partition smallint not null,
    batch_no bigint not null,
    ordinal integer not null,
    device_id integer not null,
    boot integer not null,
    conn bigint not null,
    received timestamptz not null,
    online boolean not null,
    lift_ids integer[] not null,
    primary key (partition, batch_no, ordinal)
);
comment on table contact is 'link messages as the engine saw them; replayed after a restart';

create table gap (
    id bigint generated always as identity primary key,
    partition smallint not null,
    batch_no bigint not null,
    device_id integer not null,
    stream text not null check (stream in ('state', 'event')),
    boot integer not null,
    incarnation integer not null,
    first_seq bigint not null,
    last_seq bigint not null,
    reason text not null check (reason in ('gone', 'given-up')),
    recorded_at timestamptz not null default now()
);
create index on gap (batch_no);
comment on table gap is 'records that a device gave up: unknown for ever, and said so';

create table quarantine (
    id bigint generated always as identity primary key,
    received timestamptz not null,
    topic text not null,
    device text,
    reason text not null,
    detail text not null,
    payload bytea not null,
    payload_bytes integer not null,
    sha256_8 text not null,
    times integer not null default 1,
    last_received timestamptz not null,
    replay_requested_at timestamptz,
    replayed_at timestamptz,
    replay_result text
);
comment on table quarantine is 'messages that could not be used, raw, with the reason; repeats of the same bytes count up';
create unique index quarantine_once on quarantine (topic, sha256_8, reason) where replayed_at is null;
create index quarantine_replay on quarantine (replay_requested_at) where replay_requested_at is not null and replayed_at is null;
create index on quarantine (device, id);
create index on quarantine (reason, id);

create table field_fault (
    device_id integer not null,
    field text not null,
    fault text not null check (fault in ('bad-type', 'out-of-range', 'extra', 'contradiction')),
    times bigint not null,
    last_value text not null,
    last_seen timestamptz not null,
    primary key (device_id, field, fault)
);
comment on table field_fault is 'single fields that were unknown because unusable, counted by device and field';

create table device_counter (
    device_id integer primary key,
    received bigint not null default 0,
    stored bigint not null default 0,
    duplicates bigint not null default 0
);
comment on table device_counter is 'received = stored + duplicates + quarantined, in records';

create table checkpoint (
    partition smallint primary key,
    batch_no bigint not null,
    clock timestamptz not null,
    rules text not null,
    engine bytea not null,
    devices bytea not null,
    taken_at timestamptz not null default clock_timestamp()
);
comment on table checkpoint is 'where recovery starts: state of engine and duplicate filter after batch_no';

create table lease (
    partition smallint primary key,
    epoch bigint not null,
    holder text not null,
    renewed_at timestamptz not null default clock_timestamp()
);
comment on table lease is 'who may write a partition; every writing transaction checks its epoch first';
