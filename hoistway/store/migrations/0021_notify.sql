-- Notifications leave: who is told by which way, what became of it, webhook endpoints, one-time links, drills, commands to terminals.

create table drill (
    id integer generated always as identity primary key,
    started_at timestamptz not null,
    due_at timestamptz not null,
    ended_at timestamptz,
    started_by text not null check (started_by ~ '\S'),
    note text not null default '',
    check (due_at > started_at)
);
comment on table drill is 'every contact is asked to confirm; who has not by due_at is shown as unreachable';

create table notify_contact (
    id integer generated always as identity primary key,
    addressee text not null check (addressee in ('unit', 'firm', 'supervisor', 'property', 'city')),
    addressee_id integer,
    name text not null check (name ~ '\S' and length(name) <= 100),
    kind text not null check (kind in ('phone', 'mail', 'dingtalk', 'wecom', 'feishu', 'apprise')),
    address text not null check (address ~ '\S' and length(address) <= 1000),
    secret text,
    rank smallint not null default 1 check (rank between 1 and 100),
    language text not null default 'zh' check (language in ('zh', 'en')),
    check ((addressee in ('unit', 'firm')) = (addressee_id is not null)),
    unique nulls not distinct (addressee, addressee_id, name, kind)
);
comment on table notify_contact is 'an address of somebody who is told, beside the phones of units, firms and users of lifts; rank 1 is told first';
comment on column notify_contact.addressee_id is 'the unit or firm; the others are the city''s own';
comment on column notify_contact.secret is 'what the address signs with: of a robot that has one';

create table notify_preference (
    addressee text not null check (addressee in ('unit', 'firm', 'supervisor', 'property', 'city')),
    firm_id smallint references firm (id),
    rank smallint not null check (rank between 1 and 20),
    channel text not null check (channel in ('sms', 'voice', 'mail', 'dingtalk', 'wecom', 'feishu', 'apprise')),
    receipt_s integer not null check (receipt_s between 0 and 86400),
    unique nulls not distinct (addressee, firm_id, rank),
    unique nulls not distinct (addressee, firm_id, channel)
);
comment on table notify_preference is 'by which channels a contact is told, in this order; a firm''s own rows replace those of the city (firm_id null)';
comment on column notify_preference.receipt_s is 'so long is waited for a receipt before the next channel or contact is tried as well; 0: not at all';
insert into notify_preference (addressee, rank, channel, receipt_s)
select addressee, rank, channel, receipt_s
from unnest(array['unit', 'firm', 'supervisor', 'property', 'city']) as a (addressee)
cross join (values
    (1, 'dingtalk', 0), (2, 'wecom', 0), (3, 'feishu', 0), (4, 'apprise', 0), (5, 'sms', 45), (6, 'voice', 45), (7, 'mail', 0)
) as p (rank, channel, receipt_s);

create table webhook_endpoint (
    id integer generated always as identity primary key,
    name text not null unique check (name ~ '\S' and length(name) <= 100),
    firm_id smallint references firm (id),
    url text not null check (length(url) <= 1000),
    topics text[] not null default '{}',
    secret text not null,
    old_secret text,
    old_until timestamptz,
    exercise boolean not null default false,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null,
    removed_at timestamptz,
    disabled_reason text,
    version integer not null default 1,
    check ((old_secret is null) = (old_until is null)),
    unique (id, exercise)
);
comment on table webhook_endpoint is 'where notifications go as signed JSON; firm_id null: the city''s, which gets every firm''s';
comment on column webhook_endpoint.topics is 'what it gets; empty: all';
comment on column webhook_endpoint.secret is 'what bodies are signed with (whsec_...); the old one signs as well until old_until';
comment on column webhook_endpoint.exercise is 'gets exercises only, and real ones never go to it';
comment on column webhook_endpoint.disabled_reason is 'it answered 410, or a person shut it; null: in use';

-- The outbox: what became of each row. Rows of the time before anybody sent them are not sent now.

alter table outbox
    alter column case_id drop not null,
    add column drill_id integer references drill (id),
    add column contact text,
    add column state text not null default 'new'
        check (state in ('new', 'open', 'delivered', 'sent', 'dead', 'joined', 'skipped')),
    add column planned_at timestamptz,
    add column ended_at timestamptz,
    add column look_at timestamptz,
    add column joins text,
    add column joined_to bigint references outbox (id),
    add column joined integer not null default 0,
    add column reason text,
    add column noted boolean not null default false,
    drop constraint if exists outbox_addressee_check,
    add constraint outbox_addressee_check check (addressee in ('unit', 'firm', 'supervisor', 'property', 'lift', 'city')),
    add constraint outbox_drill_is_exercise check ((topic = 'drill') = (drill_id is not null) and (exercise or drill_id is null)),
    add constraint outbox_joined check ((state = 'joined') = (joined_to is not null)),
    add unique (id, topic, exercise);
update outbox set state = 'skipped', ended_at = clock_timestamp(), reason = 'written before notifications were sent';
create index outbox_new on outbox (id) where state = 'new';
create index outbox_unnoted on outbox (id) where state = 'dead' and not noted;
create index outbox_open on outbox (id) where state = 'open';
create index outbox_joins on outbox (joins, planned_at) where joins is not null;
create index on outbox (drill_id) where drill_id is not null;
create index on outbox (joined_to) where joined_to is not null;
comment on column outbox.state is 'new: nobody looked at it; open: on its way; delivered: somebody has it; sent: went out, and no receipt came; dead: no way worked; joined: said with another; skipped';
comment on column outbox.noted is 'of a dead one: said on its case and to the supervisor';
comment on column outbox.contact is 'of a drill: the one contact that is asked';
comment on column outbox.joins is 'topic and addressee of what may be said together; of the row that says it';
comment on column outbox.look_at is 'not planned sooner: another of its kind went out a moment ago';
comment on column outbox.joined is 'how many others of its topic and addressee are said with it';

create table delivery (
    id bigint generated always as identity primary key,
    outbox_id bigint not null,
    topic text not null,
    exercise boolean not null,
    key text not null unique,
    step smallint,
    channel text not null
        check (channel in ('webhook', 'sms', 'voice', 'mail', 'dingtalk', 'wecom', 'feishu', 'apprise', 'device', 'console')),
    receiver text not null,
    contact text not null,
    address text not null default '',
    contact_id integer references notify_contact (id) on delete set null,
    endpoint_id integer,
    language text not null default 'zh' check (language in ('zh', 'en')),
    receipt_s integer not null default 0,
    urgency smallint not null default 2,
    to_exercise boolean not null,
    state text not null check (state in ('waiting', 'pending', 'sent', 'received', 'dead', 'skipped')),
    attempts integer not null default 0,
    claim bigint not null default 0,
    claimed_until timestamptz,
    released_at timestamptz,
    due_at timestamptz,
    give_up_at timestamptz,
    first_at timestamptz,
    sent_at timestamptz,
    ended_at timestamptz,
    said text,
    foreign key (outbox_id, topic, exercise) references outbox (id, topic, exercise),
    foreign key (endpoint_id, to_exercise) references webhook_endpoint (id, exercise),
    constraint delivery_exercise_stays check (exercise = to_exercise or topic = 'drill'),
    constraint delivery_exercise_receiver check (
        case channel when 'console' then to_exercise when 'webhook' then true when 'device' then true else not to_exercise end
    ),
    check ((channel = 'webhook') = (endpoint_id is not null)),
    check (state = 'waiting' or state = 'skipped' or released_at is not null)
);
comment on table delivery is 'one notification by one way to one contact: every attempt carries its key';
comment on constraint delivery_exercise_stays on delivery is 'an exercise never reaches a real contact, and a real case never only a pretended one; a drill says that it is one, and is meant to';
comment on column delivery.step is 'its place: a later step goes when no receipt came in time; null: beside the others';
comment on column delivery.receiver is 'whose few places it takes, so that a slow one delays nobody else';
comment on column delivery.claim is 'rises with every claim: who was stopped while sending can no longer write what became of it';
comment on column delivery.said is 'the last word of the receiver, or what went wrong';
create index delivery_due on delivery (channel, urgency, due_at) where state = 'pending';
create index on delivery (outbox_id);
create index delivery_dead on delivery (id) where state = 'dead';

create table contact_reach (
    addressee text not null,
    addressee_id integer not null default 0,
    contact text not null,
    channel text not null,
    address text not null default '',
    received_at timestamptz,
    sent_at timestamptz,
    failed_at timestamptz,
    reason text,
    primary key (addressee, addressee_id, contact, channel)
);
comment on table contact_reach is 'when each contact was last reached and last not; channel drill: a drill that was not confirmed';

create view unreachable_contact as
select addressee, nullif(addressee_id, 0) as addressee_id, contact, channel, address, failed_at as since, reason
from contact_reach
where failed_at > coalesce(received_at, '-infinity') and (channel = 'drill' or failed_at > coalesce(sent_at, '-infinity'));
comment on view unreachable_contact is 'whom the last try did not reach, by channel';

create table notify_link (
    token_hash bytea primary key,
    delivery_id bigint not null references delivery (id),
    order_id bigint references dispatch_order (id),
    expires_at timestamptz not null,
    used_at timestamptz
);
comment on table notify_link is 'one-time links in messages: accept one order, or confirm that the message came; only the SHA-256 of the token is kept';
create index on notify_link (delivery_id);
create index on notify_link (expires_at);

create table device_command (
    id bigint generated always as identity primary key,
    key text not null,
    device_id integer not null references device (id),
    command text not null check (command in ('soothe', 'selftest', 'resend')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    taken_until timestamptz,
    published_at timestamptz,
    unique (key, device_id)
);
comment on table device_command is 'what ingest is to publish on the topic cmd of a device, at QoS 1; never a move or a stop of a lift';
comment on column device_command.published_at is 'when the broker had it';
create index device_command_waiting on device_command (id) where published_at is null;
