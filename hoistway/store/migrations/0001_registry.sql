-- The register: who owns which lift, where it stands, which terminal speaks for it.

create table firm (
    id smallint generated always as identity primary key,
    name text not null unique check (length(name) between 1 and 200),
    phone text
);
comment on table firm is 'contracted maintenance firms';

create table lift (
    id integer generated always as identity primary key,
    kind text not null check (kind in ('lift', 'escalator')),
    rescue_code text unique check (rescue_code ~ '^[0-9]{6}$'),
    register_code text unique check (register_code ~ '^[0-9]{20}$'),
    name text not null,
    estate text not null default '',
    building text not null default '',
    address text not null default '',
    district text not null default '',
    lon double precision check (lon between -180 and 180),
    lat double precision check (lat between -90 and 90),
    crs text not null default 'WGS-84' check (crs in ('WGS-84', 'GCJ-02')),
    floors text[] not null default '{}',
    rated_speed_m_s real check (rated_speed_m_s > 0 and rated_speed_m_s <= 20),
    rated_load_kg real check (rated_load_kg > 0 and rated_load_kg <= 20000),
    firm_id smallint references firm (id),
    user_unit text not null default '',
    user_unit_phone text not null default '',
    emergency_phone text not null default '',
    urban boolean not null default true,
    maker text not null default '',
    installed_on date,
    parameters jsonb not null default '{}',
    exercise boolean not null default false,
    updated_at timestamptz not null default now(),
    check ((lon is null) = (lat is null))
);
comment on table lift is 'lifts and escalators; coordinates are stored as WGS-84, crs says what the source said';
comment on column lift.parameters is 'rule parameters of this lift, by name';
comment on column lift.floors is 'floor table from the bottom, as displayed';
comment on column lift.exercise is 'simulated or drill equipment: nothing about it reaches a real contact';
create index on lift (firm_id);
create index on lift (estate);

create table device (
    id integer generated always as identity primary key,
    device text not null unique check (device ~ '^[A-Za-z0-9_-]{1,64}$'),
    shard smallint not null check (shard between 0 and 63),
    lift_id integer references lift (id),
    enrolled_at timestamptz not null default now(),
    revoked_at timestamptz
);
comment on table device is 'terminals (one lift) and gateways (lift_id null: the lifts are in gateway_lift)';
create index on device (lift_id);

create table gateway_lift (
    device_id integer not null references device (id),
    lift_id integer not null references lift (id),
    primary key (device_id, lift_id)
);
comment on table gateway_lift is 'the lifts that a gateway may speak for';
