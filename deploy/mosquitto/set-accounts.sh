#!/bin/sh
# Brings a mosquitto password file in line with `hoistway devices accounts` on standard input: set-accounts.sh FILE
# `device:hash` is written, `device:` is taken out, every other line stays. A line of another shape changes nothing at all.
set -eu
file=$1
lines=$(cat)
if wrong=$(printf '%s\n' "$lines" | grep -Evm1 '^([A-Za-z0-9_-]{1,64}:(\$7\$[0-9]+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+)?)?$'); then
  echo "not a line of accounts: '$wrong'" >&2
  exit 1
fi
if printf '%s\n' "$lines" | grep -Eq '^(ingest|health|hoistway-probe):'; then
  echo "ingest, health and hoistway-probe are the platform's own" >&2
  exit 1
fi
umask 077
printf '%s\n' "$lines" | awk -F: '
  NR == FNR { if ($1 != "") account[$1] = $0; next }
  !($1 in account)
  END { for (name in account) if (account[name] != name ":") print account[name] }
' - "$file" >"$file.new"
# Written over, not replaced: a container that has the file mounted keeps seeing it.
cat "$file.new" >"$file"
rm -f "$file.new"
