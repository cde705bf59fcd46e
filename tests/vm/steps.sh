#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Steps that several scripts of the machine take; `. /steps.sh`.

# await TEST: until it holds, 40 s at most.
await() {
	read -r now _ </proc/uptime
	end=$((${now%.*} + 40))
	until eval "$1"; do
		read -r now _ </proc/uptime
		[ "${now%.*}" -lt $end ] || { echo "never: $1"; dext list; cat /tmp/log; dmesg | tail -n 20; return 1; }
		sleep 0.1
	done
}

# services N: until so many can be opened.
services() {
	await "[ \$(dext list 2>/dev/null | grep -c BulkStream) -eq $1 ]"
}

# The ids of the services, a line each.
ids() {
	dext list | sed -n 's/.*BulkStream.*\(0x[0-9a-f]*\)$/\1/p'
}

# exact FILE RECORD [SERVICE]: what vm-function records of it is the file. Some bytes first end what was left of a
# transfer that was cut off.
exact() {
	printf 'what was before' | dext send --service "${3:-BulkStream}" - >/tmp/sent 2>&1 || { cat /tmp/sent; return 1; }
	await "[ \"\$(tail -c 15 $2)\" = 'what was before' ]" || return 1
	: >"$2"
	dext send --service "${3:-BulkStream}" "$1" >/tmp/sent 2>&1 || { cat /tmp/sent; return 1; }
	await "[ \$(stat -c %s $2) -ge \$(stat -c %s $1) ]" && cmp "$1" "$2"
}

# begin FILE RECORD: an app that sends it, $app, and has already sent some.
begin() {
	: >"$2"
	dext send "$1" >/tmp/sent 2>&1 &
	app=$!
	await "[ \$(stat -c %s $2) -gt 500000 ]"
}

# ended STATUS: the app has ended with it.
ended() {
	wait "$app"
	status=$?
	[ $status -eq "$1" ] || { echo "the app ended with $status, not $1"; cat /tmp/sent /tmp/log; return 1; }
}

# driver VVVV:PPPP: of interface 0 of that device.
driver() {
	for each in /sys/bus/usb/devices/*; do
		ids=$(cat "$each/idVendor" "$each/idProduct" 2>/dev/null | tr '\n' :)
		[ "$ids" != "$1:" ] || basename "$(readlink "$each/${each##*/}:1.0/driver")"
	done
}
