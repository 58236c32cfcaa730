#!/bin/sh
# Sets one user's password in a mosquitto password file, in place: set-password.sh FILE USER PASSWORD
# Writes what mosquitto_passwd writes ($7$: PBKDF2 with SHA-512), with nothing but OpenSSL 3.
set -eu
file=$1 user=$2 password=$3
rounds=101
salt=$(openssl rand -base64 12)
hex=$(printf '%s' "$salt" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
hash=$(openssl kdf -keylen 64 -kdfopt digest:SHA512 -kdfopt "pass:$password" -kdfopt "hexsalt:$hex" \
  -kdfopt "iter:$rounds" -binary PBKDF2 | openssl base64 -A)
others=$(grep -v "^$user:" "$file" || true)
# Written over, not replaced: a container that has the file mounted keeps seeing it.
{
  [ -z "$others" ] || printf '%s\n' "$others"
  printf '%s:$7$%s$%s$%s\n' "$user" "$rounds" "$salt" "$hash"
} >"$file.new"
cat "$file.new" >"$file"
rm -f "$file.new"
