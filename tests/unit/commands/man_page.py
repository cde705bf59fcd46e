#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether a command's page names what the command's help names, and each help has an example.

    man_page.py PAGE PROGRAM

Prints TAP: a test for each subcommand, and its long options.
"""
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
    commands = re.findall(r"^  (\w+) +\S", help_of(program), re.MULTILINE)
    print(f"1..{len(commands)}")
    for number, command in enumerate(commands, 1):
        wanted = {f"dext {command}"} | set(re.findall(r"--[a-z][a-z-]+", help_of(program, command)))
        missing = sorted(word for word in wanted - {"--help"} if word not in page)
        for word in missing:
            print(f"# {command}: the page does not name {word}")
        example = "Example" in help_of(program, command)
        if not example:
            print(f"# {command}: its help has no example")
        print(f"{'ok' if example and not missing else 'not ok'} {number} - {command}")
    return 0 if commands else 1


if __name__ == "__main__":
    sys.exit(main())
