#!/bin/bash
# sysroot.sh ARCHITECTURE FOLDER PACKAGE...: unpacks these Debian packages of another architecture, and all that they depend
# on, below FOLDER, for a cross compiler. FOLDER.ini tells Meson, as the constant `root`, where that is. Nothing is installed,
# and no root is needed: apt's state and cache are private, this machine's architectures stay as they are. Does nothing if
# the folder has just these already.
set -eu

architecture=$1
folder=$(realpath -m "$2")
shift 2

if [ "$(cat "$folder/.packages" 2>/dev/null)" = "$*" ]; then
	exit 0
fi
echo "sysroot: unpacking $* and what they need for $architecture"
rm -rf "$folder"
mkdir -p "$folder"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
chmod 755 "$apt"
mkdir -p "$apt"/{lists,cache/archives/partial,config,empty}
: >"$apt/status"
cat >"$apt/apt.conf" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::preferencesparts "$apt/empty";
Dir::Etc::parts "$apt/empty";
Debug::NoLocking "true";
END
export APT_CONFIG=$apt/apt.conf
# A list that cannot be had (a mirror in the middle of its update) is not needed if all packages are found.
apt-get update -qq || echo "sysroot: some lists are missing"
# An empty status file: so everything that is needed is fetched, and only that.
apt-get install -qq -y --download-only "$@" >/dev/null
for package in "$apt"/cache/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$package" | tar -C "$folder" -x --no-same-owner --exclude=./dev \
		./lib ./usr/lib ./usr/include ./lib64 2>/dev/null || true
done
# Links of libraries to absolute paths would lead out of the sysroot.
find "$folder" -type l -lname '/*' | while read -r link; do
	ln -snf "$(realpath -m --relative-to="$(dirname "$link")" "$folder$(readlink "$link")")" "$link"
done
printf "[constants]\nroot = '%s'\n" "$folder" >"$folder.ini"
echo "$*" >"$folder/.packages"
