#!/bin/sh
# `hoistway devices` with the platform running; after an act the broker reads its passwords again and ends the sessions
# of keys that are gone. Usage: deploy/devices.sh enrol t-310115 --by wang | rotate ... | revoke ... --reason ... | list
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
compose=${COMPOSE:-docker-compose}
$compose run --rm -T migrate devices "$@"
case ${1:-} in
  enrol | rotate | revoke)
    accounts=$($compose run --rm -T migrate devices accounts)
    printf '%s\n' "$accounts" | sh deploy/mosquitto/set-accounts.sh "${SECRETS:-deploy/secrets}/mqtt_passwords"
    $compose kill -s HUP mosquitto
    ;;
esac
