-- The door: the keys of devices, who gave and took them, and what looked like an intruder.

create table device_key (
    id integer generated always as identity primary key,
    device_id integer not null references device (id),
    password_hash text not null check (password_hash like '$7$%'),
    issued_at timestamptz not null default now(),
    ended_at timestamptz
);
comment on table device_key is 'MQTT passwords, one in force for each device; only the hash that the broker itself reads';
comment on column device_key.password_hash is 'mosquitto''s $7$ form: PBKDF2 with SHA-512';
create unique index device_key_in_force on device_key (device_id) where ended_at is null;

create table device_act (
    id bigint generated always as identity primary key,
    device_id integer not null references device (id),
    act text not null check (act in ('enrolled', 'rotated', 'revoked')),
    person text not null check (length(person) between 1 and 100),
    reason text not null default '',
    at timestamptz not null default now()
);
comment on table device_act is 'every giving and taking of a key, with person and time; never changed';
create index on device_act (device_id, id);

create function device_act_stays() returns trigger language plpgsql as $$
begin
    raise exception 'device_act is a log: rows are never changed or deleted';
end $$;
create trigger device_act_stays before update or delete on device_act
    for each row execute function device_act_stays();

create table security_event (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('foreign-lift', 'foreign-topic', 'unknown-device', 'revoked-key', 'sequence-reused',
        'boot-reused', 'clone', 'takeover', 'login-refused')),
    device text not null,
    hour timestamptz not null,
    lift_id integer references lift (id),
    first_at timestamptz not null,
    last_at timestamptz not null,
    times bigint not null,
    detail text not null,
    unique (kind, device, hour)
);
comment on table security_event is 'what looked like an intruder: one row a kind, device and hour, so that nobody fills it by trying';
comment on column security_event.device is 'empty: the broker does not say who it was';
comment on column security_event.detail is 'of the last time';
create index on security_event (last_at);
