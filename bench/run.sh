#!/bin/sh
# run.sh BUILD FOLDER, called by `make bench`: runs the bench below a registry of its own. QUICK=1: short turns. ROW=NAME: only
# the rows that have NAME in theirs.
set -eu
mkdir -p "$2"
exec "$1/cmd/dext" run "$1/bench/driver/bench.dext" "$1/drivers/bulkstream/bulkstream.dext" --virtual sink --virtual source -- \
	"$1/bench/opendext-bench" "$2" ${QUICK:+quick} ${ROW:+"$ROW"}
