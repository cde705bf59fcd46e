#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scripts pass shellcheck, pages of the manual pass mandoc.

    tidy.py SOURCE

Both come with scripts/bootstrap.sh; a tool that is not there is a skip that says so.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

SOURCE = sys.argv[1]
# In folders with sources: a build folder is none.
FOLDERS = (".ci", "bench", "cmd", "debian", "drivers", "examples", "packaging", "scripts", "tests")
PAGES = sorted(glob.glob(os.path.join(SOURCE, "man", "*.scd")))
# scdoc writes these around each list and literal; mandoc leaves them out, as is right.
SCDOC = ("skipping paragraph macro", "tab in filled text")


def is_script(path):
    """By its first line, or that it is completion of bash, which is sourced."""
    with open(path, "rb") as file:
        first = file.readline(80)
    return re.match(rb"#!.*\b(sh|bash|dash)\b", first) or path.endswith((".sh", "completions/dext"))


def find_scripts():
    paths = (os.path.join(folder, name) for top in FOLDERS for folder, _, names in os.walk(os.path.join(SOURCE, top))
             for name in names)
    return sorted(path for path in paths if is_script(path))


def check_script(path):
    return subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False).stdout


def check_page(path):
    with open(path, "rb") as file:
        page = subprocess.run(["scdoc"], stdin=file, capture_output=True, check=True).stdout
    said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, capture_output=True, check=False)
    lines = (said.stdout + said.stderr).decode().splitlines(True)
    return "".join(line for line in lines if not any(known in line for known in SCDOC))


def main():
    number = failed = 0
    scripts = find_scripts()
    print(f"1..{len(scripts) + len(PAGES)}")
    for paths, tools, check in ((scripts, ["shellcheck"], check_script), (PAGES, ["scdoc", "mandoc"], check_page)):
        missing = [tool for tool in tools if shutil.which(tool) is None]
        for path in paths:
            number += 1
            name = os.path.relpath(path, SOURCE)
            if missing:
                print(f"ok {number} - {name} # SKIP {', '.join(missing)} is not installed")
                continue
            wrong = check(path)
            failed += bool(wrong)
            print("".join("# " + line for line in wrong.splitlines(True)), end="")
            print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
