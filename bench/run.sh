#!/bin/sh
# run.sh BUILD FOLDER, called by `make bench`: runs the bench below a registry of its own, and the rows that need a real USB
# device in a virtual machine. QUICK=1: short turns, and no machine. ROW=NAME: only the rows that have NAME in theirs; usbfs
# are those in the machine.
set -eu
mkdir -p "$2"
case "${ROW:-}" in
*usbfs*) ;;
*) "$1/cmd/dext" run "$1/bench/driver/bench.dext" "$1/drivers/bulkstream/bulkstream.dext" --virtual sink --virtual source -- \
	"$1/bench/opendext-bench" "$2" ${QUICK:+quick} ${ROW:+"$ROW"} ;;
esac
case "${ROW:-usbfs}" in
*usbfs*) ;;
*) exit 0 ;;
esac
if [ -n "${QUICK:-}" ]; then
	echo "two CPUs  not measured: usbfs: QUICK=1, and its virtual machine takes minutes"
	exit 0
fi
ninja -C "$1" --quiet # what is installed in the machine
python3 "$(dirname "$0")/usbfs.py" "$1" "$2" ${ROW:+"$ROW"}
