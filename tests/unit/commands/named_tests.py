# SPDX-License-Identifier: Apache-2.0
"""The tests that a document names as `program: test`, or `fuzz_program`."""
import glob
import os
import re

NAMED = r"`((?:test|fuzz)_\w+)(?:: (\w+))?`"


def sources_of(top, program):
    """Texts of the sources of programs of this name."""
    texts = []
    for path in glob.glob(os.path.join(top, "tests", "**", program + ".c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    return texts


def tests_of(source):
    return re.findall(r"START_TEST\((\w+)\)", source)


def why_wrong(top, program, test):
    """None: there is such a test."""
    sources = sources_of(top, program)
    if not sources:
        return f"there is no {program}.c"
    if test and not any(test in tests_of(source) for source in sources):
        return f"{program}.c has no test {test}"
    if not test and not program.startswith("fuzz_"):
        return f"{program}: which test?"
    return None
