# SPDX-License-Identifier: Apache-2.0
"""Cases of a test of a command, run in turn and printed as TAP."""
import subprocess
import sys
import traceback


def run(*arguments, timeout=60, **options):
    """The finished process: returncode, stdout, stderr."""
    return subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, timeout=timeout,
                          check=False, **options)


def main(cases):
    """`cases`: functions that raise AssertionError, or what else, if they fail."""
    failed = 0
    print(f"1..{len(cases)}")
    for number, case in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {case.__name__}", flush=True)
        except Exception:  # whatever it is, the case has failed and the others go on
            failed += 1
            print(f"not ok {number} - {case.__name__}")
            print("".join("# " + line for line in traceback.format_exc().splitlines(True)), flush=True)
    sys.exit(1 if failed else 0)
