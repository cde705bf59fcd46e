#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""targets.py BUILD: prints the files that the tests of the suites unit, proto and apps need, a line each."""
import json
import os
import subprocess
import sys


def ask(folder, what):
    return json.loads(subprocess.check_output(["meson", "introspect", folder, what]))


def main():
    folder = sys.argv[1]
    files = {target["id"]: target["filename"] for target in ask(folder, "--targets")}
    wanted = set()
    for test in ask(folder, "--tests"):
        if {"opendext:unit", "opendext:proto", "opendext:apps"} & set(test["suite"]):
            wanted.update(test["depends"])
    for target in sorted(wanted):
        for path in files[target]:
            print(os.path.relpath(path, folder))


if __name__ == "__main__":
    main()
