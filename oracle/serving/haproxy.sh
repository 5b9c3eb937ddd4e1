#!/bin/sh
# Stands in for the haproxy binary where Ray Serve starts it (RAY_SERVE_HAPROXY_BINARY_PATH), mends the configuration that
# Ray has written, and becomes the real one ($HAPROXY_BINARY, else the one on the PATH).
#
# - Statistics and metrics pages are Ray's on every interface; here they stay on this machine.
# - The admin socket is Ray's for everybody on the machine; here for its owner.
# - Who connected is written into a header, over whatever the caller wrote there: for the audit trail.
# - Whoever takes longer than ten seconds over the head of a request is cut off.
# - Every request gets an id before the first attempt to deliver it, so that a repeated one is known to be repeated.
config="" before=""
for argument in "$@"; do
    [ "$before" = "-f" ] && config=$argument
    before=$argument
done
if [ -n "$config" ] && [ -w "$config" ] && ! grep -q "unique-id-format" "$config"; then
    sed -i \
        -e 's/^\( *bind \):\([0-9][0-9]*\)$/\1127.0.0.1:\2/' \
        -e '/^listen stats/,$ s/^\( *bind \)\*:/\1127.0.0.1:/' \
        -e 's/ mode 666 level admin/ mode 600 level admin/' \
        -e '/^frontend http_frontend/a\    unique-id-format %[uuid]\n    http-request set-header x-request-id %[unique-id] if !{ req.hdr(x-request-id) -m found }\n    http-request set-header x-oracle-peer %[src]\n    timeout http-request 10s' \
        "$config"
fi
exec "${HAPROXY_BINARY:-haproxy}" "$@"
