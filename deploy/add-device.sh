#!/bin/sh
# Gives enrolled devices their MQTT password and prints "device password", one a line.
# Usage: deploy/add-device.sh [--dir DIR] DEVICE...      or names on standard input, one a line
# The password follows from the secret device_key, so it can be printed again; the broker's file holds only its hash.
# Afterwards: docker-compose kill -s HUP mosquitto
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
dir=$here/secrets
if [ "${1:-}" = "--dir" ]; then dir=$2; shift 2; fi
[ -s "$dir/device_key" ] || { echo "no $dir/device_key: run deploy/make-secrets.sh first" >&2; exit 1; }

add() {
  case $1 in
    ingest | health | hoistway-probe | '' | *[!A-Za-z0-9_-]*) echo "not a device name: '$1'" >&2; exit 1 ;;
  esac
  password=$(printf '%s' "$1" | openssl dgst -sha256 -mac HMAC -macopt "key:$(cat "$dir/device_key")" |
    sed 's/.*= *//' | cut -c1-32)
  "$here/mosquitto/set-password.sh" "$dir/mqtt_passwords" "$1" "$password"
  printf '%s %s\n' "$1" "$password"
}

if [ $# -gt 0 ]; then
  for device in "$@"; do add "$device"; done
else
  while read -r device; do add "$device"; done
fi
