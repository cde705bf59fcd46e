#!/bin/bash
# Has spin look at every order of steps of the models beside the code: as they are there must be no
# error, and with each order weakened there must be one.
set -eu

models=$(cd "$(dirname "$0")/../src" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# How many errors the model has with these definitions.
errors() {
	spin "${@:2}" -a "$models/$1" >/dev/null
	gcc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c
	./pan -m100000 | sed -n 's/.*errors: \([0-9]*\).*/\1/p'
}

# The model as it is, and each of the weaker ones.
check() {
	[ "$(errors "$1")" = 0 ] || { echo "model: $1 has an error" >&2; exit 1; }
	for weak in "${@:2}"; do
		[ "$(errors "$1" "-D$weak")" != 0 ] || { echo "model: $1 does not notice $weak" >&2; exit 1; }
	done
	echo "model: $1 is right, and each of $(($# - 1)) weaker orders is noticed"
}

check client/object_table.pml NO_NAME NO_CLAIM EARLY SHORT
check queue/queue_state.pml BLIND_OWN BLIND_GIVE_UP NO_CLAIM FORGETS_LIST FORGETS_SUSPENSION EARLY_GIVE_UP NO_DRAIN
check queue/ring_source.pml FORGETS_TOLD NO_LOOK_AFTER_TOLD EARLY_TOLD NO_TAKE_OVER NOT_OWN BLIND_TAKE BLIND_RETURN BLIND_KEEP BLIND_LEAVE \
	NO_SECOND_LOOK LATE_HUNGRY LATE_SEEN TWICE LATE_WANTED NO_ARMING
check wire/data_queue.pml WEAK_TAIL WEAK_HEAD WEAK_ASK
check wire/shared_ring.pml WEAK_TAIL WEAK_HEAD WEAK_ARMED WEAK_ROOM NO_SECOND_LOOK LATE_BELL NO_POSITION \
	NO_FENCE FENCE_FIRST LATE_CLEAR EARLY_TELL NEARER_WITHOUT NO_STEP EXACT LATE_HAND
check wire/call_page.pml WEAK_SUBMIT WEAK_ARM WEAK_REQUEST WEAK_ANSWER NO_SECOND_LOOK NO_LEFT NO_AGAIN LATE_WAITER NO_LOOK_AFTER_HOLD
check wire/doorbell.pml WEAK_TAIL WEAK_ARMED WEAK_HEAD WEAK_OVERFLOW NO_SECOND_LOOK NO_SECOND_ROOM LATE_BELL ONE_NUMBER EARLY_ROOM
