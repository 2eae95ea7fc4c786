#!/bin/sh
# guard.sh DIR COMMAND...  runs one broker for as long as the process that started it wants it.
#
# Standard input is a pipe from that process. Its lines are what a test asks for: `stop` freezes the broker, `cont`
# has it go on, `kill` kills it and keeps its files. The end of the pipe, which comes however that process ends,
# kills the broker and removes DIR. Only the process started here is ever sent a signal, by its id.
set -u
dir=$1
shift
exec 3<&0
"$@" </dev/null &
broker=$!
{
    line=
    while [ "$line" != kill ]; do
        read -r line <&3 || { : >"$dir/.orphan"; break; }
        case $line in
        stop) kill -s STOP "$broker" ;;
        cont) kill -s CONT "$broker" ;;
        esac
    done
    kill -9 "$broker" 2>/dev/null
} &
watch=$!
wait "$broker"
code=$?
# The broker's id may be given to another process from here on.
kill "$watch" 2>/dev/null
if [ -e "$dir/.orphan" ]; then
    rm -rf "$dir"
    # The last node's guard removes what held them all.
    rmdir "${dir%/*}" 2>/dev/null
fi
exit "$code"
