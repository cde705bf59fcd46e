#!/bin/bash
# cross.sh i386 BUILD: builds for another architecture or C library, in BUILD/i386. What it needs of that architecture's Debian packages
# is unpacked below BUILD/sysroots (sysroot.sh). Of i386 it is the app's side alone; the tests of the suite `apps`
# start the hosts of BUILD/gcc.
set -eu

name=$1
build=$(realpath -m "$2")
cd "$(dirname "$0")/.."
options=(--buildtype=release -Dwerror=true)
case $name in
i386)
	scripts/sysroot.sh i386 "$build/sysroots/i386" libc6-dev libplist-dev libxxhash-dev check
	options+=(-Dapp_only=true "-Dhosts=$build/gcc")
	;;
*) echo "usage: cross.sh i386 BUILD" >&2 && exit 2 ;;
esac
[ -f "$build/$name/build.ninja" ] || meson setup "$build/$name" "${options[@]}" \
	--cross-file "$build/sysroots/$name.ini" --cross-file "scripts/cross/$name.ini" >/dev/null
ninja -C "$build/$name" --quiet
