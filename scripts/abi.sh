#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records the interface of each library in tests/unit/abi: that of the last release (tag v...), or before the first one that
# of the files here. abi.sh FOLDER builds in FOLDER.
set -eu
cd "$(dirname "$0")/.."

folder=$1
source=.
tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
rm -rf "$folder"
mkdir -p "$folder"
if [ -n "$tag" ]; then
	source=$folder/source
	mkdir "$source"
	git archive "$tag" | tar -x -C "$source"
fi
CC=gcc meson setup "$folder/build" "$source" --buildtype=debugoptimized >/dev/null
version=$(meson introspect --projectinfo "$folder/build" | python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')
for library in iokit driverkit dexttest; do
	built=src/lib$library.so.$version
	ninja -C "$folder/build" --quiet "$built"
	tests/unit/abi/layout.py record "$source/include/opendext" "tests/unit/abi/$library.abi.xz" "$folder/build/$built"
done
echo "abi: recorded ${tag:-the files here, version $version}"
