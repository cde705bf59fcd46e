#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every limit of src/base/bounds.h has its row in docs/limits.md, with its value and with tests that go to it and
past it: each is there, and it or a function of its file that it uses names the limit."""
import os
import re
import sys

from named_tests import NAMED, sources_of, why_wrong

TOP = sys.argv[1]
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def limits():
    """Name to value, as the preprocessor would have it."""
    text = re.sub(r"/\*.*?\*/", "", read("src", "base", "bounds.h"), flags=re.S).replace("\\\n", " ")
    values = {}
    for name, body in re.findall(r"^#define\s+(DEXT_\w+)\s+(\S.*)$", text, flags=re.M):
        body = re.sub(r"UINT(?:32|64)_C\((\w+)\)", r"\1", body).replace("/", "//")
        body = re.sub(r"\b(\d+)u\b", r"\1", body)
        values[name] = eval(body, {"__builtins__": {}}, values)  # pylint: disable=eval-used
    return values


def parts_of(source):
    """What stands at the left margin, by its name: functions, tests and tables."""
    parts = {}
    for text in re.split(r"\n(?:\};?|END_TEST)\n", source):
        for name in re.findall(r"^(?:START_TEST\((\w+)\)|(\w+)\(|.*\b(\w+)\[\] = \{$)", text, flags=re.M):
            parts["".join(name)] = text
    return parts


def names(parts, test, limit):
    """Whether the test, or what it uses, names the limit."""
    seen, left = set(), [test]
    while left:
        name = left.pop()
        if name in seen or name not in parts:
            continue
        seen.add(name)
        if re.search(rf"\b{limit}\b", parts[name]):
            return True
        left += re.findall(r"\w+", parts[name])
    return False


def value_of(text):
    number, unit = re.fullmatch(r"([\d,]+) ?(\w*)", text).groups()
    return int(number.replace(",", "")) * UNITS[unit]


def check_row(cells, values):
    limit, value, _, _, tests = cells
    limit = limit.strip("`")
    if limit not in values:
        return [f"{limit} is no limit"]
    wrong = [] if value_of(value) == values[limit] else [f"{limit} is {values[limit]}"]
    named = re.findall(NAMED, tests)
    if not named:
        wrong.append(f"{limit} has no test")
    for program, test in named:
        why = why_wrong(TOP, program, test)
        if why is None and not any(names(parts_of(source), test, limit) for source in sources_of(TOP, program)):
            why = f"{program}: {test} does not name {limit}"
        wrong += [why] if why else []
    return wrong


def main():
    values = limits()
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in read("docs", "limits.md").splitlines() if line.startswith("| `DEXT_")]
    wrong = [what for row in rows for what in check_row(row, values)]
    listed = [row[0].strip("`") for row in rows]
    wrong += [f"{name} has no row" for name in values if name not in listed]
    wrong += [f"{name} has two rows" for name in set(listed) if listed.count(name) > 1]
    print(f"{len(values)} limits, {len(rows)} rows")
    for what in wrong:
        print(f"docs/limits.md: {what}")
    return 1 if wrong or len(values) < 30 else 0


sys.exit(main())
