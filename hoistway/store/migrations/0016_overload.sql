-- Overload: when it was, and what was shed meanwhile.

create table overload (
    partition smallint not null,
    began_at timestamptz not null,
    last_at timestamptz not null,
    ended_at timestamptz,
    coalesced bigint not null default 0,
    primary key (partition, began_at)
);
comment on table overload is 'times in which more came than could be stored; one without end and with a recent last_at is now';
comment on column overload.last_at is 'when the ingest last said so: an ingest that ended meanwhile says it no more';
comment on column overload.coalesced is 'samples that were shed because they said nothing new';

alter table device_counter add column coalesced bigint not null default 0;
comment on table device_counter is 'received = stored + duplicates + quarantined + cut + coalesced: records, and whole messages where they could not be read';
comment on column device_counter.coalesced is 'samples shed during overload because they said what the last stored one said: not accepted, the device keeps them';
