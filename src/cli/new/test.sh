#!/bin/sh
# usage: test.sh PROGRAM
# Starts the service on a port that is free, asks it, and stops it.
set -eu
work=$(mktemp -d)
service=
trap 'kill "$service" 2>/dev/null || true; rm -rf "$work"' EXIT

PORT=0 HOST=127.0.0.1 "$1" 2>"$work/log" &
service=$!
address=
while [ -z "$address" ]; do
    kill -0 "$service" 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 0.05
    address=$(sed -n 's/.*listening on \([0-9.]*:[0-9]*\).*/\1/p' "$work/log")
done

# expect STATUS BODY PATH
expect()
{
    reply=$(curl -sS -m 20 -w '%{http_code}' "http://$address$3")
    case $reply in
    "$2"*"$1") echo "good: $3" ;;
    *) echo "$3: '$reply', and not '$2' with $1"; exit 1 ;;
    esac
}

expect 200 'This is @NAME@.' /
expect 200 '{"hello":"you"}' /hello/you
expect 200 '{"hello":"a \"b\""}' /hello/a%20%22b%22
expect 200 good /health
expect 404 '' /none

kill -TERM "$service"
wait "$service"
