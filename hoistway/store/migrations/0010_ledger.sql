-- What became of everything that was received, by device and class; and the quarantine's share of one device.

alter table device_counter drop constraint device_counter_pkey;
alter table device_counter add column leaf text not null default 'mixed'
    check (leaf in ('state', 'event', 'link', 'other', 'mixed'));
alter table device_counter alter column leaf drop default;
alter table device_counter add column quarantined bigint not null default 0;
alter table device_counter add column cut bigint not null default 0;
alter table device_counter add primary key (device_id, leaf);
comment on table device_counter is 'received = stored + duplicates + quarantined + cut: records, and whole messages where they could not be read';
comment on column device_counter.leaf is 'class of the topic; mixed = counted before classes were told apart, without messages that were refused';
comment on column device_counter.quarantined is 'messages kept in the quarantine, repeats of the same bytes included';
comment on column device_counter.cut is 'messages that could not be read and were over the device''s budget: neither kept nor named as refused';

create index on quarantine (last_received, id);
