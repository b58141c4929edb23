#!/bin/sh
# Start a process of the Procfile by its name, as process 1 so that it hears SIGTERM; anything else is a management command.
set -eu
line=$(sed -n "s/^$1: //p" Procfile)
if [ -n "$line" ]; then
    eval "exec $line"
fi
exec python manage.py "$@"
