-- The machine brake, and how many fields of a sample could not be used: rules may ask for both.

alter table sample add column brake smallint not null default -1;
alter table sample add column field_faults smallint not null default 0;
comment on column sample.field_faults is 'fields of this sample that were unusable and became unknown';
