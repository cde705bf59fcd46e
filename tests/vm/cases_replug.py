# SPDX-License-Identifier: Apache-2.0
"""Devices that are pulled out in mid-stream and plugged in again, in every way there is."""
import os
import re

from machine import fail
from scripts import CONFIGFS, check_console, function, gadget, udc_of

ROUNDS = 50
EXACT = 20001  # of replug.c
# dummy_hcd itself does not always survive that it is unbound under a busy gadget (it uses its freed host controller), so
# the controller that loses its driver is QEMU's.
GADGET_WAYS = ["udc", "port", "remove", "authorized"]
SERIAL, BRAILLE = "0403:6001", "0403:fe72"


def replug(way, ids, case, environment=""):
    # Its time is over before the machine's: then where it hung is said. And its heap is one, in which what the threads
    # keep for themselves does not count as held.
    return (f"CK_TIMEOUT_MULTIPLIER=36 CK_RUN_CASE={case} WAY={way} IDS={ids} ROUNDS={ROUNDS} {environment}"
            " GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1 vm-replug")


def every_way(machine):
    """A device for each way, all at the same time: a round is mostly the hub's waiting."""
    outputs = [os.path.join(machine.work, name) for name in ("serial.out", "braille.out")]
    script, jobs = [CONFIGFS], []
    for number, way in enumerate(GADGET_WAYS):
        script += [gadget(way, f"0x0d2{number}", [f"ffs.{way}"], "high"), function(way, number),
                   f"usb 1209:0d2{number}"]
        jobs.append((way, replug(way, f"1209:0d2{number}", "own_device", f"UDC={udc_of(way)}")))
    jobs.append(("controller", replug("controller", BRAILLE, "adapter")))
    background = " ".join(f"({job} >/tmp/{name} 2>&1 || touch /tmp/failed) &" for name, job in jobs)
    script += [f"usb {SERIAL}", f"usb {BRAILLE}", "hold",
               f"run {background} {replug('qemu', SERIAL, 'adapter')} || touch /tmp/failed; wait;"
               " cd /tmp; tail -n 12 " + " ".join(name for name, _ in jobs) + "; [ ! -e failed ]"]

    def host(word, monitor):
        if word == "pull":
            monitor.unplug("s0")
        else:
            monitor.run("device_add", driver="usb-serial", id="s0", chardev="c0", bus="x0.0")

    console = machine.boot(script, ["-device", "qemu-xhci,id=x0", "-chardev", f"file,id=c0,path={outputs[0]}",
                                    "-device", "usb-serial,chardev=c0,id=s0,bus=x0.0",
                                    "-device", "qemu-xhci,id=x1", "-chardev", f"file,id=c1,path={outputs[1]}",
                                    "-device", "usb-braille,chardev=c1,bus=x1.0"], host,
                           modules={"dummy_hcd": f"is_super_speed=1 num={len(GADGET_WAYS)}"}, seconds=1200)
    check_console(console, script)
    print("\n".join("# " + line for line in re.findall(r"^\w+: \d+ (?:ended|rounds).*", console, re.MULTILINE)))
    for output in outputs:
        check_adapter(output)
    return len(re.findall(r"^\w+: \d+ rounds", console, re.MULTILINE))


def check_adapter(output):
    """The exact streams, which have no zero in them, stand one after the other between the zeros in flight."""
    wanted = bytes(((at * 0x9e3779b97f4a7c15 & (1 << 64) - 1) >> 56) | 1 for at in range(ROUNDS * EXACT))
    with open(output, "rb") as file:
        got = file.read().replace(b"\0", b"")
    if got != wanted:
        fail(f"{output}: {len(got)} bytes that are not zero instead of {len(wanted)}, or others")


CASES = [
    (f"pulled out in mid-stream and plugged in again, {ROUNDS} times in every way", every_way),
]
