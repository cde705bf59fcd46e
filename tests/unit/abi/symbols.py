#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a library exports against the recorded list: a program that was linked once must find all of it.

symbols.py LIBRARY LIST NM prints TAP. With --record as a fourth argument it adds what is new to the list, and removes
nothing: what has gone from the library breaks programs, and is taken off the list by hand, with a new version of it.
What only dext-host is for (OPENDEXT_PRIVATE) is nobody's to link, and is not listed.
"""
import pathlib
import re
import subprocess
import sys

FUNCTION = "TWi"


def exported(library, nm):
    """Lines as they are in the list: kind, name, version."""
    output = subprocess.run([nm, "-D", "--defined-only", library], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    found = set()
    for kind, name, version in re.findall(r"^\w+ (\w) (\w+)@@?(\w+)$", output, flags=re.M):
        if kind != "A" and version != "OPENDEXT_PRIVATE":
            found.add(f"{'function' if kind in FUNCTION else 'data'} {name} {version}")
    return found


def report(number, what, wrong):
    print(f"{'not ok' if wrong else 'ok'} {number} - {what}")
    for line in sorted(wrong):
        print("# " + line)
    return bool(wrong)


def main():
    library, path, nm = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    symbols = exported(library, nm)
    recorded = set(path.read_text().splitlines()) if path.exists() else set()
    if sys.argv[4:] == ["--record"]:
        path.write_text("".join(line + "\n" for line in sorted(recorded | symbols)))
        return 0
    print("1..3")
    failed = report(1, "symbols are found", set() if len(symbols) > 100 else {"too few"})
    failed |= report(2, f"none of the {len(recorded)} that were recorded is gone", recorded - symbols)
    failed |= report(3, "all are recorded", symbols - recorded)
    if symbols - recorded:
        print(f"# add them: {' '.join(sys.argv)} --record")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
