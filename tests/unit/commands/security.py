#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that SECURITY.md names is there, and every row of its table of claims names one."""
import glob
import os
import re
import sys

TOP = sys.argv[1]


def tests_of(program):
    """The names of a program's tests; None: there is no such program."""
    found = glob.glob(os.path.join(TOP, "tests", "**", program + ".c"), recursive=True)
    if not found:
        return None
    with open(found[0], encoding="utf-8") as file:
        return re.findall(r"START_TEST\((\w+)\)", file.read())


def main():
    with open(os.path.join(TOP, "SECURITY.md"), encoding="utf-8") as file:
        text = file.read()
    named = re.findall(r"`((?:test|fuzz)_\w+)(?:: (\w+))?`", text)
    wrong = []
    for program, test in named:
        tests = tests_of(program)
        if tests is None:
            wrong.append(f"there is no {program}.c")
        elif test and test not in tests:
            wrong.append(f"{program}.c has no test {test}")
        elif not test and not program.startswith("fuzz_"):
            wrong.append(f"{program}: which test?")
    claims = [line for line in text.splitlines() if line.startswith(("| a", "| any")) and line.count("|") == 5]
    wrong += [f"no test: {line[:60]}" for line in claims if not re.search(r"`(test|fuzz)_", line)]
    print(f"{len(named)} tests, {len(claims)} claims")
    for what in wrong:
        print(f"SECURITY.md: {what}")
    return 1 if wrong or not named or len(claims) < 6 else 0


sys.exit(main())
