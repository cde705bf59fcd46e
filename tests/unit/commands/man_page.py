#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether a command's page names what the command's help names, and each help has an example and exit statuses.

    man_page.py PAGE PROGRAM

Prints TAP: a test for each subcommand, and its long options; for a program without any, one test.
"""
import os
import re
import subprocess
import sys


def help_of(program, *arguments):
    done = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        page = file.read().replace("*", "").replace("_", "")
    program = sys.argv[2]
    name = os.path.basename(program)
    text = help_of(program)
    commands = re.findall(r"^  (\w+) +\S", text, re.MULTILINE) if "COMMAND" in text else [None]
    print(f"1..{len(commands)}")
    for number, command in enumerate(commands, 1):
        text = help_of(program, *([command] if command else []))
        full = f"{name} {command}" if command else name
        wanted = {full} | set(re.findall(r"--[a-z][a-z-]+", text))
        wrong = [f"the page does not name {word}" for word in sorted(wanted - {"--help"}) if word not in page]
        wrong += [f"its help has no '{word}'" for word in ("Example", "Exit status") if word not in text]
        for line in wrong:
            print(f"# {full}: {line}")
        print(f"{'not ok' if wrong else 'ok'} {number} - {full}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
