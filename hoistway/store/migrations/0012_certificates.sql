-- Certificates of devices beside passwords, the list of ended ones, and security events that a person reads.

alter table device_key
    alter column password_hash drop not null,
    add column certificate_serial text check (certificate_serial ~ '^[0-9a-f]{1,40}$'),
    add column certificate_sha256 text check (certificate_sha256 ~ '^[0-9a-f]{64}$'),
    add column expires_at timestamptz,
    add constraint device_key_is_one_kind check (
        (password_hash is not null) = (certificate_serial is null)
        and (certificate_serial is null) = (certificate_sha256 is null)
        and (certificate_serial is null) = (expires_at is null)
    );
comment on table device_key is
    'MQTT passwords and certificates, one in force for each device; of a password only the hash that the broker itself reads, of a certificate only what names it';
comment on column device_key.certificate_serial is 'hexadecimal; what the revocation list names';
comment on column device_key.certificate_sha256 is 'fingerprint of the certificate';
comment on column device_key.expires_at is 'certificates only: from then on the broker refuses it';
create unique index device_key_serial on device_key (certificate_serial);

create table device_crl (
    only_one boolean primary key default true check (only_one),
    number bigint not null,
    this_update timestamptz not null
);
comment on table device_crl is 'number and date of the newest revocation list: each list is later than the one before, or a broker may keep the older one';

alter table security_event drop constraint security_event_kind_check;
alter table security_event add constraint security_event_kind_check check (kind in ('foreign-lift', 'foreign-topic',
    'unknown-device', 'revoked-key', 'sequence-reused', 'boot-reused', 'clone', 'takeover', 'login-refused',
    'certificate-expiring', 'certificate-expired'));
