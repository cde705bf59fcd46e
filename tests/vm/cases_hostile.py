# SPDX-License-Identifier: Apache-2.0
"""The hostile app (tests/hostile), on a kernel that has all that its attacks need."""
import os
import shutil

from machine import fail
from scripts import check_console

ENVIRONMENT = ("DEXT=/usr/local/bin/dext DEXTD=/usr/local/sbin/dextd DEXT_HOST=/usr/local/libexec/dext-host"
               " HOSTILE=/bin/hostile ECHO_BUNDLE=/hostile/echo.dext DEXTD_SANDBOX=required CK_TIMEOUT_MULTIPLIER=10")


def attacks(machine):
    """Those of tests/integ/test_hostile.c, also as another user than host and dextd; none may be left out."""
    tests = os.path.join(machine.build, "tests")
    machine.copy(os.path.join(tests, "integ/integ_hostile"), "bin/integ_hostile")
    machine.copy(os.path.join(tests, "hostile/hostile"), "bin/hostile")
    shutil.copytree(os.path.join(tests, "integ/drivers/echo/echo.dext"),
                    os.path.join(machine.root, "hostile/echo.dext"), dirs_exist_ok=True)
    os.symlink("busybox", os.path.join(machine.root, "bin/cat"))
    machine.copy_libraries()
    script = [
        "run ip link set lo up && mkdir -p /dev/pts && mount -t devpts devpts /dev/pts",
        # As the unit has it; the kernel's own limit is less than a host's buffers may need.
        f"run ulimit -n 65536 && {ENVIRONMENT} integ_hostile",
    ]
    console = machine.boot(script, [], modules={"fuse": ""}, seconds=1200)
    check_console(console, script)
    if "SKIP" in console:
        fail("an attack is left out:\n" + console)
    return console.count("attack: ")


CASES = [
    ("hostile: another user's attacks on dextd and a host", attacks),
]
