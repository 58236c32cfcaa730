#!/bin/sh
# Makes every secret of deploy/secrets once: a local authority and the broker's certificate, another authority for
# certificates of devices with an empty revocation list, random passwords.
# Usage: deploy/make-secrets.sh [--dir DIR] [BROKER_HOST...]     names or addresses by which devices reach the broker
# What is there already is kept; delete a file to have it made anew, and with it what belongs to it. Needs OpenSSL 3.
set -eu
umask 077

dir=$(dirname "$0")/secrets
if [ "${1:-}" = "--dir" ]; then dir=$2; shift 2; fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"
cd "$dir"

random() { openssl rand -hex 24; }
# keep FILE CONTENT [WHAT FOLLOWS FROM IT...]: a file that has to be made anew takes along what was made of its old content.
keep() {
  [ -s "$1" ] && return
  made="$made $1 "
  rm -f "$1"
  printf '%s' "$2" >"$1"
  shift 2
  [ $# = 0 ] || rm -f "$@"
}
made=
before=$(ls)
# say FILE TEXT: what is left to do when FILE was made anew and not for the first time
say() { case $made in *" $1 "*) [ -z "$before" ] || echo "$1 is new: $2" >&2 ;; esac; }

# --- certificates ---
if [ ! -s mqtt_ca ]; then
  made="$made mqtt_ca "
  rm -f mqtt_ca mqtt_ca_key mqtt_server_cert mqtt_server_key
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 -subj "/CN=hoistway local CA" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout mqtt_ca_key -out mqtt_ca 2>/dev/null
fi
if [ ! -s mqtt_server_cert ] || [ ! -s mqtt_server_key ]; then
  if [ ! -s mqtt_ca_key ]; then
    echo "mqtt_ca_key is missing: nothing can be signed for the authority mqtt_ca. Put the key back from your copy, or" \
      "delete mqtt_ca as well; then every device needs the new one" >&2
    exit 1
  fi
  made="$made mqtt_server_cert "
  rm -f mqtt_server_cert mqtt_server_key
  names="DNS:mosquitto,DNS:localhost,IP:127.0.0.1"
  for name in "$@"; do
    case $name in
      *[!0-9.]*) names="$names,DNS:$name" ;;
      *) names="$names,IP:$name" ;;
    esac
  done
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names" >mqtt_server_ext
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=mosquitto" \
    -keyout mqtt_server_key -out mqtt_server_csr 2>/dev/null
  openssl x509 -req -in mqtt_server_csr -CA mqtt_ca -CAkey mqtt_ca_key -CAcreateserial -days 825 -sha256 \
    -extfile mqtt_server_ext -out mqtt_server_cert 2>/dev/null
  rm -f mqtt_server_csr mqtt_server_ext mqtt_ca.srl
fi

# --- the authority of device certificates: another one, so that no device's certificate can pass for the broker's ---
if [ ! -s hoistway_device_ca ]; then
  made="$made hoistway_device_ca "
  rm -f hoistway_device_ca hoistway_device_ca_key
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7300 -sha256 -subj "/CN=hoistway device CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout hoistway_device_ca_key -out hoistway_device_ca 2>/dev/null
  rm -f mqtt_device_crl hoistway_probe_cert hoistway_probe_key
fi
need_device_ca_key() {
  [ -s hoistway_device_ca_key ] && return
  echo "hoistway_device_ca_key is missing: nothing can be signed for the authority hoistway_device_ca. Put the key back from" \
    "your copy, or delete hoistway_device_ca as well; then every device with a certificate needs a new one" >&2
  exit 1
}
if [ ! -s mqtt_device_crl ]; then
  need_device_ca_key
  list=$(mktemp -d)
  : >"$list/index"
  echo 01 >"$list/number"
  printf '[ca]\ndefault_ca=list\n[list]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\n' "$list/index" "$list/number" \
    >"$list/config"
  # An early date: of two lists a broker believes the later one, and every list of `hoistway devices crl` must be later.
  openssl ca -gencrl -config "$list/config" -keyfile hoistway_device_ca_key -cert hoistway_device_ca \
    -crl_lastupdate 200101000000Z -crldays 7300 \
    -out mqtt_device_crl 2>/dev/null
  rm -rf "$list"
  echo "mqtt_device_crl names no certificate yet: whatever was revoked before is named again by the next act of deploy/devices.sh" >&2
fi

# --- the probe's own certificate, for a door of certificates; a door of passwords does not ask for it ---
if [ ! -s hoistway_probe_cert ] || [ ! -s hoistway_probe_key ]; then
  need_device_ca_key
  rm -f hoistway_probe_cert hoistway_probe_key
  printf 'extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n' >hoistway_probe_ext
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=hoistway-probe" \
    -keyout hoistway_probe_key -out hoistway_probe_csr 2>/dev/null
  openssl x509 -req -in hoistway_probe_csr -CA hoistway_device_ca -CAkey hoistway_device_ca_key \
    -set_serial "0x$(openssl rand -hex 16)" -days 7000 -sha256 -extfile hoistway_probe_ext -out hoistway_probe_cert 2>/dev/null
  rm -f hoistway_probe_csr hoistway_probe_ext
fi

# --- passwords ---
keep postgres_password "$(random)"
keep hoistway_database_password "$(random)" hoistway_database_url
keep hoistway_database_url "postgresql://hoistway:$(cat hoistway_database_password)@postgres:5432/hoistway"
for part in ingest dispatch api; do
  keep "hoistway_${part}_database_password" "$(random)" "hoistway_${part}_database_url"
  password=$(cat "hoistway_${part}_database_password")
  keep "hoistway_${part}_database_url" "postgresql://hoistway_$part:$password@postgres:5432/hoistway"
done
keep mqtt_ingest_password "$(random)" hoistway_mqtt_url
keep mqtt_health_password "$(random)"
keep hoistway_mqtt_url "mqtts://ingest:$(cat mqtt_ingest_password)@mosquitto:8884?ca=/run/secrets/mqtt_ca"
keep mqtt_probe_password "$(random)" hoistway_probe_mqtt_url
probe_files="ca=/run/secrets/mqtt_ca&cert=/run/secrets/hoistway_probe_cert&key=/run/secrets/hoistway_probe_key"
keep hoistway_probe_mqtt_url "mqtts://hoistway-probe:$(cat mqtt_probe_password)@mosquitto:8883?$probe_files"
keep hoistway_watch_key "$(random)"
keep hoistway_seal_key "$(random)"
keep device_key "$(random)"
[ -e mqtt_passwords ] || { made="$made mqtt_passwords "; : >mqtt_passwords; }
"$here/mosquitto/set-password.sh" mqtt_passwords ingest "$(cat mqtt_ingest_password)"
"$here/mosquitto/set-password.sh" mqtt_passwords health "$(cat mqtt_health_password)"
"$here/mosquitto/set-password.sh" mqtt_passwords hoistway-probe "$(cat mqtt_probe_password)"

# --- who may read them: the folder keeps other people of this machine out; the containers read as their own users ---
chmod 0700 .
if [ "$(id -u)" = 0 ]; then
  chown 1883:1883 mqtt_passwords mqtt_server_cert mqtt_server_key mqtt_health_password
  chown 999:999 postgres_password hoistway_database_password hoistway_*_database_password
  chown 10001:10001 hoistway_database_url hoistway_*_database_url hoistway_mqtt_url hoistway_device_ca_key device_key \
    hoistway_probe_mqtt_url hoistway_probe_key hoistway_watch_key hoistway_seal_key
  chmod 0444 mqtt_ca hoistway_device_ca hoistway_probe_cert
  chmod 0644 mqtt_device_crl
else
  chmod 0444 mqtt_ca mqtt_server_cert mqtt_server_key mqtt_health_password postgres_password \
    hoistway_database_password hoistway_database_url hoistway_*_database_password hoistway_*_database_url hoistway_mqtt_url hoistway_device_ca hoistway_device_ca_key device_key \
    hoistway_probe_mqtt_url hoistway_probe_cert hoistway_probe_key hoistway_watch_key hoistway_seal_key
  chmod 0644 mqtt_passwords mqtt_device_crl
fi
say mqtt_ca "give it to every device, and start the broker and every process again"
say hoistway_device_ca "every device with a certificate needs a new one (deploy/devices.sh rotate); start the broker and every process again"
say mqtt_server_cert "it has the names that the script was given this time; start the broker again"
say postgres_password "the database keeps the old one until you say there: alter role postgres password '...'"
say hoistway_database_password "the database keeps the old one until you say there: alter role hoistway password '...'; then start every process again"
for part in ingest dispatch api; do
  say "hoistway_${part}_database_password" "docker-compose exec postgres sh /docker-entrypoint-initdb.d/20-roles.sh gives it to the database; then run migrate and start every process again"
done
say mqtt_ingest_password "start the broker and ingest again"
say mqtt_health_password "start the broker again"
say mqtt_probe_password "start the broker and the watch again"
say hoistway_seal_key "second factors were sealed with the old one: put it back, or take each away (hoistway users factor-off) and let people make new ones"
say hoistway_watch_key "start every process that has it again"
say mqtt_passwords "no device can log in until deploy/devices.sh has written it: enrol, rotate or revoke any"
say device_key "the simulated city's passwords have changed: deploy/make-demo.sh writes them"
echo "secrets are in $(pwd)"
