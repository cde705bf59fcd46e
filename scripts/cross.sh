#!/bin/bash
# cross.sh NAME BUILD: builds for another architecture or C library, in BUILD/NAME. What it needs of that architecture's
# Debian packages is unpacked below BUILD/sysroots (sysroot.sh).
#
#	i386	the app's side alone; the tests of the suite `apps` start the hosts of BUILD/gcc. Under qemu-user where the
#		kernel is built without i386
#	aarch64	what `unit` and `proto` need; their programs run under qemu-user
#	musl	as i386, with libraries that musl.sh compiles
set -eu

name=$1
build=$(realpath -m "$2")
cd "$(dirname "$0")/.."
packages=(libc6-dev libplist-dev libxxhash-dev check)
options=(--buildtype=release -Dwerror=true)
machines=("$build/sysroots/source.ini" "$build/sysroots/$name.ini" "scripts/cross/$name.ini")
app_options=(-Dapp_only=true "-Dhosts=$build/gcc")
case $name in
i386)
	scripts/sysroot.sh i386 "$build/sysroots/i386" "${packages[@]}"
	options+=("${app_options[@]}")
	if ! "$build/sysroots/i386/lib/ld-linux.so.2" --version >/dev/null 2>&1; then
		echo "i386: this kernel runs no such programs: under qemu-user, without the tests of scripts/cross/i386.not"
		cat scripts/cross/qemu-user.not scripts/cross/i386.not >"$build/sysroots/i386.not"
		machines+=(scripts/cross/i386_emulated.ini)
	fi
	;;
aarch64)
	scripts/sysroot.sh arm64 "$build/sysroots/aarch64" "${packages[@]}" libusb-1.0-0-dev libseccomp-dev libjson-c-dev
	;;
musl)
	scripts/cross/musl.sh "$build/sysroots/musl"
	options+=("${app_options[@]}")
	;;
*) echo "usage: cross.sh i386|aarch64|musl BUILD" >&2 && exit 2 ;;
esac
printf "[constants]\nsource = '%s'\nbuild = '%s'\n" "$PWD" "$build" >"$build/sysroots/source.ini"
[ -f "$build/$name/build.ninja" ] ||
	meson setup "$build/$name" "${options[@]}" "${machines[@]/#/--cross-file=}" >/dev/null
# What the tests that run here need, and no more; asked after Meson has seen what has changed.
ninja -C "$build/$name" --quiet build.ninja >/dev/null
mapfile -t targets < <(python3 scripts/cross/targets.py "$build/$name")
ninja -C "$build/$name" --quiet "${targets[@]}"
