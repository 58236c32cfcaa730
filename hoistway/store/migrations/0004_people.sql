-- People, sessions, machine keys, remembered POST answers.

create table person (
    id integer generated always as identity primary key,
    name text not null unique check (length(name) between 1 and 100),
    role text not null
        check (role in ('dispatcher', 'supervisor', 'maintainer', 'property', 'tester', 'auditor', 'admin')),
    firm_id smallint references firm (id),
    password_hash text,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    check ((role = 'maintainer') = (firm_id is not null))
);
comment on column person.password_hash is 'argon2id; null = login by one-time link only';

create table login_link (
    token_hash bytea primary key,
    person_id integer not null references person (id),
    expires_at timestamptz not null,
    used_at timestamptz
);
comment on table login_link is 'one-time links; only the SHA-256 of the token is kept';

create table login_failure (
    name text not null,
    at timestamptz not null
);
create index on login_failure (name, at);

create table session (
    token_hash bytea primary key,
    person_id integer not null references person (id),
    csrf text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz
);

create table api_key (
    id integer generated always as identity primary key,
    name text not null unique check (length(name) between 1 and 100),
    key_hash bytea not null unique,
    role text not null
        check (role in ('dispatcher', 'supervisor', 'maintainer', 'property', 'tester', 'auditor', 'admin')),
    firm_id smallint references firm (id),
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    last_used_at timestamptz,
    check ((role = 'maintainer') = (firm_id is not null))
);

create table idempotency (
    principal text not null,
    key text not null,
    request_hash bytea not null,
    status smallint not null,
    body bytea not null,
    created_at timestamptz not null default now(),
    primary key (principal, key)
);
comment on table idempotency is 'answers to POSTs with an Idempotency-Key, kept 24 h';
create index on idempotency (created_at);

create table setting (
    name text primary key,
    value jsonb not null
);
comment on table setting is 'what one city sets for itself; also the epoch of the live stream';
insert into setting values ('stream_epoch', to_jsonb(gen_random_uuid()::text));
