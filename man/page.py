#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A manual page as scdoc makes it, so that mandoc -T lint has nothing to say: page.py SCDOC <PAGE.scd >PAGE

scdoc begins each paragraph with .P, also where a heading or the end of an indented part does that by itself, and leaves
lines as long as they are written.
"""
import re
import subprocess
import sys
import textwrap

WIDTH = 80


def join_paragraphs(text):
    """Without paragraphs that nothing is in."""
    text = re.sub(r"^\.P\n(?=\.P\n|\.S[HS] |\.RE\n|\Z)", "", text, flags=re.M)
    return re.sub(r"^(\.S[HS] .*\n|\.TH .*\n)\.P\n", r"\1", text, flags=re.M)


def wrap(line):
    if len(line.encode()) <= WIDTH:
        return [line]
    parts = textwrap.wrap(line, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    # What begins a line with one of these is a request to roff.
    return [part if part[0] not in ".'" else "\\&" + part for part in parts]


def clean(text):
    literal = False
    for line in join_paragraphs(join_paragraphs(text)).splitlines():
        literal = literal and line != ".fi" or line in (".nf", ".EX")
        if line.startswith(".TH "):
            line = re.sub(r'"[^"]*"', lambda match: match[0].upper(), line, count=1)
        if literal or line.startswith("."):
            yield line
        else:
            text = line.lstrip()
            blanks = line[:len(line) - len(text)].replace("\t", "")
            yield from wrap("\\ " * len(blanks) + text)


def main():
    page = subprocess.run([sys.argv[1]], stdin=sys.stdin, stdout=subprocess.PIPE, check=True, text=True).stdout
    for line in clean(page):
        print(line)


main()
