#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every public header alone, as C11 and as C++17, with pedantic warnings as errors.

header_alone.py INCLUDE_DIR C_COMPILER... -- [CXX_COMPILER...]; prints TAP.
"""
import pathlib
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror"]
# A header may be only macros; the unit that includes it may not be empty.
UNIT = "#include <{0}>\n#include <{0}>\nextern int unit;\n"


def compile_alone(compiler, language, standard, include, header):
    command = [*compiler, "-x", language, "-std=" + standard, *WARNINGS, "-fsyntax-only",
               "-I" + str(include), "-"]
    return subprocess.run(command, input=UNIT.format(header), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def main():
    include = pathlib.Path(sys.argv[1])
    split = sys.argv.index("--")
    ways = [("C11", sys.argv[2:split], "c", "c11"), ("C++17", sys.argv[split + 1:], "c++", "c++17")]
    headers = sorted(str(path.relative_to(include)) for path in include.rglob("*.h"))
    print(f"1..{len(headers) * len(ways)}")
    number, failed = 0, len(headers) == 0
    for name, compiler, language, standard in ways:
        for header in headers:
            number += 1
            if not compiler:
                print(f"ok {number} - {header} as {name} # SKIP no {name} compiler")
                continue
            result = compile_alone(compiler, language, standard, include, header)
            failed = failed or result.returncode != 0
            print(f"{'ok' if result.returncode == 0 else 'not ok'} {number} - {header} as {name}")
            for line in result.stdout.splitlines():
                print("# " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
