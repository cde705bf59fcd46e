#!/bin/bash
# musl.sh FOLDER: musl and the libraries that libiokit and its tests need, below FOLDER for a cross compiler, as sysroot.sh does for
# another architecture. Debian has musl but no library for it, so they are compiled here from Debian's source packages; the
# kernel's headers are this machine's. FOLDER.ini tells Meson, as the constant `root`, where that is.
set -eu

folder=$(realpath -m "$1")
packages=(libplist check xxhash)

if [ "$(cat "$folder/.packages" 2>/dev/null)" = "${packages[*]}" ]; then
	exit 0
fi
echo "musl: compiling ${packages[*]} for musl"
rm -rf "$folder"
mkdir -p "$folder"/{include,lib/pkgconfig}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# --- their sources, by a private apt that knows this machine's mirrors for source packages ---
mkdir -p "$work"/{lists,cache/archives/partial,mirrors,sources}
touch "$work"/{status,mirrors.list}
cat >"$work/apt.conf" <<EOF
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::sourcelist "$work/mirrors.list";
Dir::Etc::sourceparts "$work/mirrors";
Debug::NoLocking "true";
EOF
[ ! -f /etc/apt/sources.list ] || sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$work/mirrors.list"
for mirrors in /etc/apt/sources.list.d/*.sources; do
	[ ! -f "$mirrors" ] || sed 's/^Types:.*/Types: deb-src/' "$mirrors" >"$work/mirrors/${mirrors##*/}"
done
export APT_CONFIG=$work/apt.conf
cd "$work/sources"
apt-get update -qq || echo "musl: some lists are missing"
apt-get source -qq --download-only "${packages[@]}" >/dev/null
for archive in *.orig.tar.*; do
	tar -xf "$archive"
done

# --- compiled ---
for headers in /usr/include/linux /usr/include/asm-generic /usr/include/x86_64-linux-gnu/asm; do
	ln -s "$headers" "$folder/include/"
done

# library NAME PACKAGE FLAG... -- FILE...: compiles the files, here, into libNAME.a, and tells pkg-config of it as PACKAGE.
library() {
	local name=$1 package=$2 flags=()
	shift 2
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	for file in "$@"; do
		musl-gcc -O2 -fPIC -w -D_GNU_SOURCE "${flags[@]}" -c "$file" -o "$(basename "$file" .c).o"
	done
	ar rcs "$folder/lib/lib$name.a" ./*.o
	cat >"$folder/lib/pkgconfig/$package.pc" <<EOF
Name: $name
Description: $name for musl
Version: ${PWD##*-}
Cflags: -I$folder/include
Libs: -L$folder/lib -l$name
EOF
}

cd "$work"/sources/libplist-*
echo '#define HAVE_STRNDUP 1
#define HAVE_STPCPY 1
#define HAVE_GMTIME_R 1
#define HAVE_LOCALTIME_R 1
#define HAVE_TIMEGM 1
#define HAVE_TM_TM_GMTOFF 1
#define HAVE_TM_TM_ZONE 1
#define HAVE_FVISIBILITY 1' >config.h
library plist-2.0 libplist-2.0 -DHAVE_CONFIG_H -I. -Iinclude -Ilibcnary/include -Isrc -- src/*.c libcnary/node.c libcnary/node_list.c
cp -r include/plist "$folder/include/"

cd "$work"/sources/check-*
echo '#define HAVE_FORK 1
#define HAVE_SIGACTION 1
#define HAVE_GETLINE 1
#define HAVE_GETPID 1
#define HAVE_GETTIMEOFDAY 1
#define HAVE_LIBRT 1
#define HAVE_MALLOC 1
#define HAVE_REALLOC 1
#define HAVE_MKSTEMP 1
#define HAVE_PTHREAD 1
#define HAVE_SNPRINTF 1
#define HAVE_VSNPRINTF 1
#define HAVE_STDARG_H 1
#define HAVE_STDINT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_WAIT_H 1
#define HAVE_UNISTD_H 1
#define HAVE_DECL_ALARM 1
#define HAVE_DECL_LOCALTIME_R 1
#define HAVE_DECL_STRDUP 1
#define HAVE_DECL_STRSIGNAL 1
#define ENABLE_SUBUNIT 0' >config.h
library check check -DHAVE_CONFIG_H -I. -Isrc -Ilib -- src/check*.c
cp src/check.h check_stdint.h "$folder/include/"

cd "$work"/sources/xxHash-*
library xxhash libxxhash -- xxhash.c
cp xxhash.h xxh3.h "$folder/include/"

printf "[constants]\nroot = '%s'\n" "$folder" >"$folder.ini"
echo "${packages[*]}" >"$folder/.packages"
