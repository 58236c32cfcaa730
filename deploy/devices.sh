#!/bin/sh
# `hoistway devices` with the platform running. After an act the broker reads its passwords and the list of ended
# certificates again, and the sessions of keys that are gone end. The device stands right after the verb:
#   deploy/devices.sh enrol t-310115 --by wang | rotate t-310115 ... | revoke t-310115 ... --reason ... | list
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
compose=${COMPOSE:-docker-compose}
secrets=${SECRETS:-deploy/secrets}
case ${1:-} in
  enrol | rotate | revoke)
    case ${2:-} in '' | -*) echo "the device stands right after '$1'" >&2; exit 2 ;; esac
    ;;
esac
$compose run --rm -T migrate devices "$@"
case ${1:-} in
  enrol | rotate | revoke)
    accounts=$($compose run --rm -T migrate devices accounts)
    printf '%s\n' "$accounts" | sh deploy/mosquitto/set-accounts.sh "$secrets/mqtt_passwords"
    list=$($compose run --rm -T migrate devices crl)
    case $list in
      "-----BEGIN X509 CRL-----"*) printf '%s\n' "$list" >"$secrets/mqtt_device_crl" ;;
      *) echo "not a list of certificates; the broker keeps the one it has" >&2; exit 1 ;;
    esac
    $compose kill -s HUP mosquitto
    ;;
esac
# A broker looks at the list when somebody connects: whoever is connected with the ended key is put out.
case ${1:-} in
  rotate | revoke) $compose run --no-deps --rm -T ingest devices kick "$2" >/dev/null ;;
esac
