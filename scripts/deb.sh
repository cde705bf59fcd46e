#!/bin/bash
# deb.sh TARBALL FOLDER: Debian packages from a release's tarball, as a build daemon makes them, and lintian's word on them.
set -eu

tarball=$1
folder=$2
version=$(basename "$tarball" .tar.xz)
version=${version#opendext-}

rm -rf "$folder"
mkdir -p "$folder"
cp "$tarball" "$folder/opendext_$version.orig.tar.xz"
tar -C "$folder" -xf "$tarball"
cd "$folder/opendext-$version"
dpkg-buildpackage --unsigned-source --unsigned-changes --no-pre-clean
cd ..
# An upload to Debian would close a request for the package; this is none.
lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs ./*.changes
ls -l ./*.deb
