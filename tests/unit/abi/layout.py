#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a library's interface is made of (arguments, results, layouts of structures) against what was recorded.

	layout.py check HEADERS RECORD LIBRARY	TAP: what was compiled for the recorded interface runs with this one
	layout.py record HEADERS RECORD LIBRARY	writes RECORD; scripts/abi.sh does so for all libraries

The library has debug information. Types that no public header defines are nobody's, and what intended.abignore names may
change. An enumerator or a function more is no change.
"""
import lzma
import os
import pathlib
import subprocess
import sys
import tempfile

INTENDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "intended.abignore")


def describe(headers, library):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "abi")
        subprocess.run(["abidw", "--exported-interfaces-only", "--headers-dir", headers, "--drop-private-types",
                        "--suppressions", INTENDED, "--no-show-locs", "--no-corpus-path",
                        "--no-comp-dir-path", "--type-id-style", "hash", "--out-file", path,
                        library], check=True)
        return path.read_bytes()


def compare(before, now):
    """Two descriptions: abidiff of one and a library filters out what it should not."""
    with tempfile.TemporaryDirectory() as folder:
        paths = pathlib.Path(folder, "before"), pathlib.Path(folder, "now")
        for path, content in zip(paths, (before, now)):
            path.write_bytes(content)
        result = subprocess.run(["abidiff", "--no-added-syms", "--suppressions", INTENDED, *paths],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                check=False)
    return result.returncode, result.stdout


def record(headers, path, library):
    path.write_bytes(lzma.compress(describe(headers, library), preset=9))
    return 0


def check(headers, path, library):
    before, now = lzma.decompress(path.read_bytes()), describe(headers, library)
    described = [text.count(b" elf-symbol-id=") for text in (before, now)]
    status, report = compare(before, now)
    print("1..2")
    # Without debug information there is nothing that could have changed.
    known = described[1] >= described[0] > 10
    print(f"{'ok' if known else 'not ok'} 1 - {described[1]} symbols are described, {described[0]} in the record")
    print(f"{'not ok' if status else 'ok'} 2 - none of those has changed")
    for line in report.splitlines() if status else []:
        print("# " + line)
    return 0 if known and status == 0 else 1


def main():
    what, headers, path, library = sys.argv[1:]
    return {"check": check, "record": record}[what](headers, pathlib.Path(path), library)


if __name__ == "__main__":
    sys.exit(main())
