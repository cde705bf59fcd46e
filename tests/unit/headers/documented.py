#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every function of a public header is described: documented.py FOLDER; prints TAP, a test for each header.

By a comment before it, behind it, or before the group that it is in: declarations without a blank line between them.
"""
import pathlib
import re
import sys

# In the order in which they are tried: a comment, a line of the preprocessor, a blank line, a body, a declaration.
TOKENS = re.compile(r"/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*|\n[ \t]*\n|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[^;{}#/]+;", re.S | re.M)
FUNCTION = re.compile(r"^\s*(?!typedef)[\w *]+?\b(\w+)\s*\((?!\*).*\)\s*(?:[A-Z_]+(?:\(.*\))?|__attribute__\(\(.*\)\))?;$", re.S)


def undescribed(text):
    described, last = False, None
    for token in TOKENS.findall(text):
        if token.startswith("/*"):
            # One behind a declaration ends its line.
            described, last = True, None
        elif not token.strip():
            if last:
                yield last
            described, last = False, None
        elif match := FUNCTION.match(token):
            if last:
                yield last
            # What is written in capitals is a macro.
            last = match[1] if not described and not match[1].isupper() else None
    if last:
        yield last


def main(folder):
    headers = sorted(folder.rglob("*.h"))
    print(f"1..{len(headers) + 1}")
    assert list(undescribed("\n\nint a(void);\nint b(void); /* b */\n\n/* c, d */\nint c(void);\nint d(int x);\n\nint e(void);\n")) == ["a", "e"]
    print("ok 1 - it finds what is missing")
    failed = False
    for number, header in enumerate(headers, 2):
        missing = list(undescribed(header.read_text()))
        failed |= bool(missing)
        print(f"{'not ok' if missing else 'ok'} {number} - {header.relative_to(folder)}")
        for name in missing:
            print(f"# {name} has no comment")
    return 1 if failed else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
