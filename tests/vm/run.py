#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots Debian's kernel in QEMU with the installed programs inside and streams to real USB devices.

    run.py BUILD_DIR [WORD]

Prints TAP. A case says what QEMU is given, what runs inside, and how the result is checked here; WORD chooses
those with it in their names.
"""
import os
import sys
import tempfile
import time

import cases_dextd
import cases_faults
import cases_ftdi
import cases_hostile
import cases_pci
import cases_replug
import cases_serial
import cases_store
import cases_usb
from machine import Machine

CASES = [*cases_usb.CASES, *cases_replug.CASES, *cases_dextd.CASES, *cases_faults.CASES,
         *cases_ftdi.CASES, *cases_hostile.CASES, *cases_pci.CASES, *cases_serial.CASES, *cases_store.CASES]


def main():
    build = os.path.abspath(sys.argv[1])
    chosen = [case for case in CASES if len(sys.argv) < 3 or sys.argv[2] in case[0]]
    print(f"1..{len(chosen)}", flush=True)
    failed = cases = 0
    with tempfile.TemporaryDirectory(prefix="opendext-vm-") as work:
        machine = Machine(work, build)
        for number, (name, function, *arguments) in enumerate(chosen, 1):
            begun = time.monotonic()
            try:
                cases += function(machine, *arguments) or 1
                print(f"ok {number} {name}", flush=True)
            except AssertionError as error:
                failed += 1
                print("\n".join("# " + line for line in str(error).splitlines()))
                print(f"not ok {number} {name}", flush=True)
            print(f"# {time.monotonic() - begun:.0f} s", flush=True)
    print(f"# {cases} cases", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
