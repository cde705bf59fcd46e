#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""IOKitLib's functions: what the headers declare, the library exports, and the man page names everything.

iokitlib.py INCLUDE_DIR MAN_PAGE LIBRARY NM; prints TAP.
"""
import pathlib
import re
import subprocess
import sys


def declared(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    return set(re.findall(r"^\w[\w *]*?\b\*?(IO[A-Z]\w*)\(", text, flags=re.M))


def exported(library, nm):
    output = subprocess.run([nm, "-D", "--defined-only", library], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    names = (line.split()[-1].split("@")[0] for line in output.splitlines())
    return {name for name in names if re.fullmatch(r"IO[A-Z]\w*", name)}


def report(number, what, missing):
    print(f"{'not ok' if missing else 'ok'} {number} - {what}")
    for name in sorted(missing):
        print("# " + name)
    return bool(missing)


def main():
    include, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
    library = declared(include / "IOKit" / "IOKitLib.h")
    everything = library | declared(include / "dext_iokit.h")
    symbols = exported(sys.argv[3], sys.argv[4])
    named = set(re.findall(r"\*(IO\w+)\*", page))
    print("1..4")
    failed = report(1, "functions are found", set() if len(library) > 80 else {"too few"})
    failed |= report(2, "all that is declared is exported", everything - symbols)
    failed |= report(3, "the man page names all that is declared", library - named)
    failed |= report(4, "the man page names nothing else", named - library)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
