#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that SECURITY.md names is there, and every row of its table of claims names one."""
import os
import re
import sys

from named_tests import NAMED, why_wrong

TOP = sys.argv[1]


def main():
    with open(os.path.join(TOP, "SECURITY.md"), encoding="utf-8") as file:
        text = file.read()
    named = re.findall(NAMED, text)
    wrong = [why for why in (why_wrong(TOP, *name) for name in named) if why]
    claims = [line for line in text.splitlines() if line.startswith(("| a", "| any")) and line.count("|") == 5]
    wrong += [f"no test: {line[:60]}" for line in claims if not re.search(NAMED, line)]
    print(f"{len(named)} tests, {len(claims)} claims")
    for what in wrong:
        print(f"SECURITY.md: {what}")
    return 1 if wrong or not named or len(claims) < 6 else 0


sys.exit(main())
