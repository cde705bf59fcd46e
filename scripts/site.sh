#!/bin/bash
# The site into a folder: guides, reference, design (Doxygen, docs/Doxyfile) and the man pages. Warnings are errors.
# usage: site.sh OUTPUT
set -eu
output=$(realpath -m "$1")
cd "$(dirname "$0")/.."

mkdir -p "$output"
{
	cat docs/Doxyfile
	echo "PROJECT_NUMBER = $(sed -n "s/.*version: '\([^']*\)'.*/\1/p" meson.build | head -n 1)"
	echo "OUTPUT_DIRECTORY = $output"
	echo "WARN_LOGFILE = $output/warnings"
} | doxygen -
if [ -s "$output/warnings" ]; then
	cat "$output/warnings" >&2
	exit 1
fi
mkdir -p "$output/html/man"
for page in man/*.scd; do
	name=$(basename "$page" .scd)
	# The dates of the pages are those of the sources, not of today.
	man/page.py scdoc <"$page" | mandoc -T html -O 'man=%N.%S.html' >"$output/html/man/$name.html"
done
echo "site: $output/html/index.html"
