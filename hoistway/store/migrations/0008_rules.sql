-- Rule sets: what was published by whom and what was live when; rules in shadow; backtests.

create table rule_set (
    number integer primary key check (number > 0),
    published_at timestamptz not null default clock_timestamp(),
    author text not null check (author ~ '\S'),
    comment text not null check (comment ~ '\S'),
    restores integer references rule_set (number),
    state text not null default 'published' check (state in ('published', 'live', 'replaced', 'refused')),
    live_at timestamptz,
    reason text,
    check ((state = 'refused') = (reason is not null))
);
comment on table rule_set is 'every set of rules that was ever published, whole; a set is never changed afterwards';
comment on column rule_set.state is 'published = waits for ingest; live; replaced = a later one is live; refused = this program cannot run it';
comment on column rule_set.restores is 'a rollback: the set whose rules it has again';
create unique index rule_set_one_live on rule_set (state) where state = 'live';

create table rule_set_rule (
    rule_set integer not null references rule_set (number),
    mode text not null check (mode in ('live', 'shadow')),
    position smallint not null,
    rule_id text not null,
    version text not null,
    own boolean not null,
    primary key (rule_set, mode, rule_id),
    foreign key (rule_id, version) references rule_version (rule_id, version)
);
comment on column rule_set_rule.mode is 'shadow = evaluated and recorded, never an alarm';
comment on column rule_set_rule.own is 'published by a person; false = the product''s, which its next version may replace';
create index on rule_set_rule (rule_id, version);

alter table ingest_batch drop constraint ingest_batch_kind_check;
alter table ingest_batch add constraint ingest_batch_kind_check check (kind in ('batch', 'tick', 'listening', 'rules'));
alter table ingest_batch add column rule_set integer references rule_set (number);
comment on column ingest_batch.rule_set is 'the rules it was folded with; of kind rules, those that are live from here on';
create index on ingest_batch (clock);

alter table checkpoint add column rule_set integer references rule_set (number), add column shadow bytea;

create table shadow_transition (
    id bigint generated always as identity primary key,
    partition smallint not null,
    batch_no bigint not null,
    rule_set integer not null references rule_set (number),
    rule_id text not null,
    version text not null,
    lift_id integer not null,
    kind text not null check (kind in ('raise', 'clear', 'promote', 'change')),
    at timestamptz not null,
    hold_start timestamptz not null,
    demoted boolean not null,
    level smallint not null
);
comment on table shadow_transition is 'what rules in shadow said: no alarm, no case, no notification';
create index on shadow_transition (rule_id, version, at);

create table backtest_job (
    id bigint generated always as identity primary key,
    asked_at timestamptz not null default clock_timestamp(),
    asked_by text not null,
    request jsonb not null,
    state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed')),
    progress real not null default 0 check (progress between 0 and 1),
    attempts smallint not null default 0,
    beat_at timestamptz,
    finished_at timestamptz,
    error text,
    result text,
    page text,
    check ((state = 'failed') = (error is not null)),
    check ((state = 'done') = (result is not null))
);
comment on table backtest_job is 'backtests that people asked for; a worker claims the oldest, and again when its worker has died';
comment on column backtest_job.beat_at is 'last sign of life of the worker';
comment on column backtest_job.page is 'the same result as one HTML page';
create index backtest_job_waiting on backtest_job (id) where state in ('queued', 'running');
