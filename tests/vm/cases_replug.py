# SPDX-License-Identifier: Apache-2.0
"""Devices that are pulled out in mid-stream and plugged in again, in every way there is."""
import os
import re

from machine import fail
from scripts import CONFIGFS, check_console, function, gadget

ROUNDS = 50
FEW = 10
EXACT = 20001  # of replug.c
GADGET_WAYS = ["udc", "port", "remove", "controller", "authorized"]


def replug(way, ids, case, environment="", rounds=ROUNDS):
    return (f"CK_TIMEOUT_MULTIPLIER=60 CK_RUN_CASE={case} WAY={way} IDS={ids} ROUNDS={rounds} {environment}"
            " vm-replug")


def every_way(machine):
    """A gadget for each way, and QEMU's adapter, all at the same time: a round is mostly the hub's waiting."""
    output = os.path.join(machine.work, "replugged.out")
    script, jobs = [CONFIGFS], []
    for number, way in enumerate(GADGET_WAYS):
        script += [gadget(way, f"0x0d2{number}", [f"ffs.{way}"], "high"), function(way, number),
                   f"usb 1209:0d2{number}"]
        udc = f"UDC=/sys/kernel/config/usb_gadget/{way}/UDC"
        jobs.append(f"({replug(way, f'1209:0d2{number}', 'own_device', udc)} >/tmp/{way} 2>&1 || touch /tmp/failed) &")
    adapter = [replug("qemu", "0403:6001", "adapter"), replug("controller", "0403:6001", "adapter", rounds=FEW)]
    script += ["usb 0403:6001", "hold", f"run {' '.join(jobs)} {' && '.join(adapter)} || touch /tmp/failed; wait;"
               " cd /tmp; cat " + " ".join(GADGET_WAYS) + "; [ ! -e failed ]"]

    def host(word, monitor):
        if word == "pull":
            monitor.run("device_del", id="s0")
            monitor.wait(lambda line: line.get("event") == "DEVICE_DELETED")
        else:
            monitor.run("device_add", driver="usb-serial", id="s0", chardev="c0")

    console = machine.boot(script, ["-device", "qemu-xhci", "-chardev", f"file,id=c0,path={output}",
                                    "-device", "usb-serial,chardev=c0,id=s0"], host,
                           modules={"dummy_hcd": f"is_super_speed=1 num={len(GADGET_WAYS)}"})
    check_console(console, script)
    print("\n".join("# " + line for line in re.findall(r"^\w+: \d+ (?:ended|rounds).*", console, re.MULTILINE)))
    check_adapter(output, [ROUNDS, FEW])
    return len(re.findall(r"^\w+: \d+ rounds", console, re.MULTILINE))


def check_adapter(output, runs):
    """The exact streams, which have no zero in them, stand one after the other between the zeros in flight."""
    longest = bytes(((at * 0x9e3779b97f4a7c15 & (1 << 64) - 1) >> 56) | 1 for at in range(ROUNDS * EXACT))
    wanted = b"".join(longest[:rounds * EXACT] for rounds in runs)
    with open(output, "rb") as file:
        got = file.read().replace(b"\0", b"")
    if got != wanted:
        fail(f"the adapter got {len(got)} bytes that are not zero instead of {len(wanted)}, or others")


CASES = [
    (f"pulled out in mid-stream and plugged in again, {ROUNDS} times in every way", every_way),
]
