#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The functions of a part of the app's side: what headers declare, the library exports and the man page names everything.

man_page.py PATTERN MAN_PAGE LIBRARY NM LEAST HEADER_OR_FOLDER... [-- HEADER...]; prints TAP. PATTERN is what their names
begin with, LEAST how many there are at least. What follows -- is exported too, but not on the page.
"""
import pathlib
import re
import subprocess
import sys


def declared(prefix, paths):
    """Functions that the library has, and those that are whole in the header."""
    exported, inline = set(), set()
    for path in paths:
        for header in sorted(path.rglob("*.h")) if path.is_dir() else [path]:
            text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
            inline |= set(re.findall(r"^static inline [\w *]*\n\*?(%s\w*)\(" % prefix, text, flags=re.M))
            exported |= set(re.findall(r"^(?!static)\w[\w *]*?\b[*\n]?(%s\w*)\(" % prefix, text, flags=re.M))
    return exported - inline, inline


def exported(prefix, library, nm):
    output = subprocess.run([nm, "-D", "--defined-only", library], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    names = (line.split()[-1].split("@")[0] for line in output.splitlines())
    return {name for name in names if re.fullmatch(r"%s\w*" % prefix, name)}


def report(number, what, missing):
    print(f"{'not ok' if missing else 'ok'} {number} - {what}")
    for name in sorted(missing):
        print("# " + name)
    return bool(missing)


def main():
    prefix, page = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
    symbols = exported(prefix, sys.argv[3], sys.argv[4])
    paths = sys.argv[6:]
    split = paths.index("--") if "--" in paths else len(paths)
    library, inline = declared(prefix, map(pathlib.Path, paths[:split]))
    everything = library | declared(prefix, map(pathlib.Path, paths[split + 1:]))[0]
    named = set(re.findall(r"\*(%s\w+)\*" % prefix, page))
    print("1..4")
    failed = report(1, "functions are found", set() if len(library) >= int(sys.argv[5]) else {"too few"})
    failed |= report(2, "all that is declared is exported", everything - symbols)
    failed |= report(3, "the man page names all that is declared", (library | inline) - named)
    failed |= report(4, "the man page names nothing else", named - library - inline)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
