#!/bin/sh
# Place a single order by hand from ORDER_INSTRUMENT, ORDER_SIDE, ORDER_PRICE and ORDER_AMOUNT.
# Further arguments are passed on: scripts/manual_order.sh --ioc --json
set -eu
for name in ORDER_INSTRUMENT ORDER_SIDE ORDER_PRICE ORDER_AMOUNT; do
    eval "value=\${$name:-}"
    if [ -z "$value" ]; then
        echo "manual_order: expected $name in the environment, found nothing" >&2
        exit 2
    fi
done
here=$(dirname "$0")
if [ -x "$here/../.venv/bin/atomizer" ]; then
    exec "$here/../.venv/bin/atomizer" manual-order "$@"
fi
exec atomizer manual-order "$@"
