#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole scenario on virtual devices: usage: scripts/demo.sh BUILD [FILE]
#
# Each device lives with its driver in a process of its own, started by `dext run`, which runs this script
# again with --phase as the app's side. Ends with one line, "demo: ok ...".
set -euo pipefail

readonly PACKED_BYTES=$((300 * 1024 * 1024))
readonly MIDSTREAM_BYTES=$((64 * 1024 * 1024))
readonly PATIENCE_STEPS=600 # of 0.05 s

say() {
	printf '%s\n' "$*"
}

fail() {
	printf 'demo: FAILED: %s\n' "$*" >&2
	exit 1
}

# field FILE NAME: a member of the JSON object in FILE.
field() {
	python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))[sys.argv[2]]
print({True: "true", False: "false", None: "null"}.get(value, value) if not isinstance(value, (int, float)) or isinstance(value, bool) else value)' "$1" "$2"
}

mib() {
	python3 -c 'import sys; print("%.1f" % (float(sys.argv[1]) / 1048576))' "$1"
}

# The file's own hash, by another program that reads it by itself.
xxh3() {
	python3 - "$1" <<'PYTHON'
import ctypes
import ctypes.util
import mmap
import os
import sys

library = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
library.XXH3_64bits.restype = ctypes.c_uint64
library.XXH3_64bits.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
size = os.path.getsize(sys.argv[1])
if size == 0:
    print("%016x" % library.XXH3_64bits(None, 0))
else:
    with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as memory:
        first = ctypes.c_char.from_buffer(memory)
        print("%016x" % library.XXH3_64bits(ctypes.addressof(first), size))
        del first
PYTHON
}

# The process of the driver that serves BulkStream.
driver_pid() {
	"$DEXT" list | awk '$1 == "BulkStream" { for (i = NF; i > 0; i--) if ($i ~ /^[0-9]+$/) { print $i; exit } }'
}

# kill -9 hits an app whose transfers are underway, not one that waits for its input.
kill_in_midstream() {
	local app read=0 step

	"$DEXT" send /dev/zero >"$TMP/killed.out" 2>&1 &
	app=$!
	for ((step = 0; step < PATIENCE_STEPS && read < MIDSTREAM_BYTES; step++)); do
		sleep 0.05
		read=$(awk '$1 == "rchar:" { print $2 }' "/proc/$app/io" 2>/dev/null) || read=0
		[ -n "$read" ] || fail "the app that was to be killed ended by itself: $(cat "$TMP/killed.out")"
	done
	[ "$read" -ge "$MIDSTREAM_BYTES" ] || fail "the app that was to be killed does not stream"
	kill -9 "$app"
	wait "$app" 2>/dev/null || true
	mib "$read" >"$TMP/killed"
}

phase_sink() {
	local before after

	before=$(driver_pid)
	say "The driver runs in process $before on a virtual sink; the app is another process."
	"$DEXT" send --json "$FILE" >"$TMP/send.json" || fail "dext send: $(cat "$TMP/send.json")"
	say "Sent $(mib "$(field "$TMP/send.json" bytes)") MiB at $(field "$TMP/send.json" mib_per_second) MiB/s;" \
		"the device counted and hashed the same: $(field "$TMP/send.json" verified)," \
		"bytes copied on the way: $(field "$TMP/send.json" copied_bytes)."
	kill_in_midstream
	say "Killed an app with -9 after $(cat "$TMP/killed") MiB, in mid-stream."
	"$DEXT" send --json "$FILE" >"$TMP/next.json" || fail "the next app: $(cat "$TMP/next.json")"
	after=$(driver_pid)
	[ "$before" = "$after" ] || fail "the driver's process was $before and is $after"
	say "The same driver, still process $after, served the next app:" \
		"$(mib "$(field "$TMP/next.json" bytes)") MiB, verified: $(field "$TMP/next.json" verified)."
}

phase_loopback() {
	local bytes receiver

	bytes=$(stat -L -c %s "$FILE")
	"$DEXT" recv --bytes "$bytes" --json - 2>"$TMP/recv.json" | cmp - "$FILE" &
	receiver=$!
	"$DEXT" send --json "$FILE" >"$TMP/loop.json" || fail "dext send: $(cat "$TMP/loop.json")"
	wait "$receiver" || fail "what came back is not the file: $(cat "$TMP/recv.json")"
	[ "$(field "$TMP/recv.json" bytes)" = "$bytes" ] || fail "not all came back"
	say "Read $(mib "$bytes") MiB back through a loopback at $(field "$TMP/recv.json" mib_per_second) MiB/s:" \
		"byte for byte the file."
}

phase_ring() {
	"$BUILD/examples/buffer_ring/buffer_ring" "$FILE" >"$TMP/ring.out" || fail "$(cat "$TMP/ring.out")"
	grep -q '^9 .*died: Segmentation fault' "$TMP/ring.out" || fail "$(cat "$TMP/ring.out")"
	say "A child process wrote to memory that the driver handed out read-only, and died:" \
		"$(sed -n 's/^9 .*died: //p' "$TMP/ring.out")."
}

pack() {
	say "Packing $((PACKED_BYTES / 1024 / 1024)) MiB of this machine's own files ..."
	# tar ends by SIGPIPE when head has enough.
	(tar -cf - -C / usr/lib usr/share usr/bin 2>/dev/null || true) | head -c "$PACKED_BYTES" >"$TMP/packed.tar" || true
	[ -s "$TMP/packed.tar" ] || fail "nothing could be packed; give a file: make demo FILE=..."
	FILE=$TMP/packed.tar
}

run_phase() {
	local name=$1 bundle=$2 device=$3

	"$DEXT" run "$BUILD/$bundle" --virtual "$device" -- bash "$0" --phase "$name" "$BUILD" "$FILE" "$TMP" ||
		fail "step $name"
}

main() {
	local hash

	if [ $# -lt 1 ] || [ ! -x "$1/cmd/dext" ]; then
		fail "usage: scripts/demo.sh BUILD [FILE], after building"
	fi
	BUILD=$(realpath "$1")
	DEXT=$BUILD/cmd/dext
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/opendext-demo.XXXXXX")
	trap 'rm -rf "$TMP"' EXIT
	FILE=${2:-}
	if [ -n "$FILE" ]; then
		if [ ! -f "$FILE" ] || [ ! -r "$FILE" ]; then
			fail "$FILE is no readable file"
		fi
		FILE=$(realpath "$FILE")
	else
		pack
	fi
	hash=$(xxh3 "$FILE")
	say "The file: $(mib "$(stat -L -c %s "$FILE")") MiB, XXH3-64 $hash."

	run_phase sink drivers/bulkstream/bulkstream.dext sink
	[ "$(field "$TMP/send.json" xxh3_64)" = "$hash" ] || fail "the app's hash is not the file's"
	[ "$(field "$TMP/send.json" verified)" = true ] || fail "the device's hash is not the file's"
	[ "$(field "$TMP/next.json" xxh3_64)" = "$hash" ] || fail "the next app's hash is not the file's"
	[ "$(field "$TMP/next.json" verified)" = true ] || fail "the device's second hash is not the file's"
	[ "$(field "$TMP/next.json" copied_bytes)" = 0 ] || fail "payload bytes were copied"
	say "The device's hash is the file's, $hash, both times."
	run_phase loopback drivers/bulkstream/bulkstream.dext loopback
	run_phase ring examples/buffer_ring/buffer_ring.dext sink

	say "demo: ok: $(mib "$(stat -L -c %s "$FILE")") MiB, XXH3-64 $hash in file, app and device;" \
		"sink $(field "$TMP/send.json" mib_per_second) MiB/s," \
		"loopback $(field "$TMP/recv.json" mib_per_second) MiB/s and byte for byte;" \
		"0 payload bytes copied; read-only memory held; driver served on after kill -9"
}

if [ "${1:-}" = --phase ]; then
	BUILD=$3 FILE=$4 TMP=$5
	DEXT=$BUILD/cmd/dext
	"phase_$2"
else
	main "$@"
fi
