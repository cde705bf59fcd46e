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
	gcc -O2 -w -DSAFETY -o pan pan.c
	./pan -m100000 | sed -n 's/.*errors: \([0-9]*\).*/\1/p'
}

[ "$(errors wire/data_queue.pml)" = 0 ] || { echo "model: data_queue.pml has an error" >&2; exit 1; }
for weak in WEAK_TAIL WEAK_HEAD WEAK_ASK; do
	[ "$(errors wire/data_queue.pml -D$weak)" != 0 ] ||
		{ echo "model: data_queue.pml does not notice $weak" >&2; exit 1; }
done
echo "model: data_queue.pml is right, and each of 3 weaker orders is noticed"
