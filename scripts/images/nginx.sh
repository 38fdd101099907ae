#!/bin/sh
# Entry point of the stand-in for the official image of nginx: sites from
# /etc/nginx/conf.d, logs on stdout and stderr, in the foreground.
set -eu
[ "$#" -eq 0 ] || exec "$@"
exec nginx -g 'daemon off;'
