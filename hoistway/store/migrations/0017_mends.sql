-- Old records of a long stretch in several turns; gaps the right way round; when a message taken in again had come.

alter table backfill add column looked_from timestamptz[] not null default '{}';
alter table backfill add column looked_batch bigint[] not null default '{}';
alter table backfill add constraint backfill_turns check (cardinality(looked_from) = cardinality(looked_batch));
comment on column backfill.looked_from is 'a stretch longer than a day is looked at in turns, newest first: each looked from here on';
comment on column backfill.looked_batch is 'of each turn: it looked at what had come before this batch';

alter table gap add constraint gap_in_order check (first_seq <= last_seq) not valid;

comment on column ingest_batch.state is 'of kind refold: what the lifts concerned are afterwards, so that a replay need not fold them again; of kind listening: by how many ms the server''s clock was set forward; of kind batch: when a message that was taken in again had first come, in ms';
