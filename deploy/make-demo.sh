#!/bin/sh
# Prepares the simulated city of the compose profile `simulator`: its register, its import as exercise, its passwords.
# Usage: deploy/make-demo.sh [LIFTS]       with the platform running
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
mkdir -p deploy/demo
chmod 0777 deploy/demo
${COMPOSE:-docker-compose} run --rm --no-deps --entrypoint python simulator \
  -c "from pathlib import Path; from simulators.city import make_city, write_csv; write_csv(make_city(lifts=${1:-300}), Path('/demo/lifts.csv'))"
${COMPOSE:-docker-compose} run --rm --no-deps -v "$here/demo:/demo:ro" migrate lifts import /demo/lifts.csv --exercise
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "device") column = i; next } $column != "" { print $column }' \
  deploy/demo/lifts.csv | sh deploy/add-device.sh >/dev/null
${COMPOSE:-docker-compose} kill -s HUP mosquitto
