#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Doxygen reads instead of a file of ours: doc_filter.py FILE.

A header's comments are plain C. One that stands before a declaration becomes the declaration's, one behind a
member the member's, the first one the file's. Functions that follow without a blank line are of the same group: they
refer to the one that has the comment. Of Markdown it takes off what only scripts/doc_blocks.py reads.
"""
import re
import sys


def escape(text):
    return re.sub(r"([\\@<>#%&\"])", r"\\\1", text)


def filter_header(lines):
    """Yields the lines; a comment's text is no markup."""
    first, inside = True, False
    for line in lines:
        body = line.rstrip("\n")
        if inside:
            end = body.find("*/")
            inside = end < 0
            yield escape(body) if end < 0 else escape(body[:end]) + body[end:]
            continue
        match = re.match(r"^(.*?)/\*(.*)$", body)
        if not match or '"' in match[1] or "SPDX" in body or body.lstrip().startswith("/* ---"):
            yield body
            continue
        before, after = match.groups()
        end = after.find("*/")
        inside = end < 0
        text = escape(after) if inside else escape(after[:end]) + after[end:]
        if before.strip():
            yield f"{before}/**<{text}"
        elif first:
            first = False
            yield f"{before}/** @file\n * {text.lstrip()}"
        else:
            yield f"{before}/**{text}"


def link_groups(lines):
    """Yields the lines, with a reference before each function that only a comment above its group is about."""
    head, declaration, fresh = None, "", True
    for line in lines:
        starts = not declaration and re.match(r"[A-Za-z]", line)
        if not line.strip() or line.startswith(("#", "}", "DEXT_")):
            head, fresh = None, True
        elif line.startswith("/**"):
            head, fresh = None, False
        elif starts and head and "/**<" not in line and not line.startswith(("typedef", "extern", "struct", "static", "enum")):
            yield f"/** See {head}(). */"
        if starts or declaration:
            declaration += line
            if re.search(r";(\s*/\*\*<.*)?$", line):
                name = re.search(r"(\w+)\(", declaration)
                if name and not head and not fresh:
                    head = name[1]
                declaration = ""
            elif "{" in line:
                declaration = ""
        yield line


def filter_markdown(lines):
    for line in lines:
        yield re.sub(r"^```(\S+) .*$", r"```\1", line.rstrip("\n"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.readlines()
    for line in filter_markdown(lines) if sys.argv[1].endswith(".md") else link_groups(filter_header(lines)):
        print(line)


if __name__ == "__main__":
    main()
