#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rows of the bench that need a real USB device, in the virtual machine of the tests.

    usbfs.py BUILD FOLDER

Two gadgets that take whatever comes, one for us and one for libusb; prints the rows and adds them to
FOLDER/results.json. Emulated CPUs: only the ratio of what is measured side by side says anything.
"""
import json
import os
import re
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/vm"))
from machine import Machine  # pylint: disable=wrong-import-position
from scripts import CONFIGFS, check_console, gadget, udc_of  # pylint: disable=wrong-import-position

BOOT_SECONDS = 600
# A real machine reads its clock without a system call. This one would not trust the processor's counter, and each look at
# the clock would be one, of which a thread that spins has many.
CLOCK = "tsc=reliable clocksource=tsc"
RESULTS = "/tmp/results.json"


def take_anything(name, controller):
    """Binds it; its function may only be changed while it is in no configuration."""
    function = f"SourceSink.{controller}"
    return (f"run cd /sys/kernel/config/usb_gadget/{name} && rm configs/c.1/{function}"
            f" && echo 2 >functions/{function}/pattern && ln -s functions/{function} configs/c.1"
            f" && echo dummy_udc.{controller} >{udc_of(name)}")


def main():
    build, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    row = sys.argv[3] if len(sys.argv) > 3 else ""
    with tempfile.TemporaryDirectory(prefix="opendext-bench-") as work:
        machine = Machine(work, build)
        machine.copy(os.path.join(build, "bench/opendext-bench"), "bin/opendext-bench")
        machine.copy_libraries()
        bundle = machine.make_bundle("bench", [{"idProduct": 0x0d41}]) + "/bench.dext"
        script = [
            CONFIGFS, "run mount -t tracefs none /sys/kernel/tracing",
            gadget("libusb", "0x0d40", ["SourceSink.0"]), gadget("bulkstream", "0x0d41", ["SourceSink.1"]),
            take_anything("libusb", 0), take_anything("bulkstream", 1),
            # Room for what both have underway, also in a turn's last moments.
            "run echo 64 >/sys/module/usbcore/parameters/usbfs_memory_mb",
            "usb 1209:0d40", "run echo $USB >/tmp/usb", "usb 1209:0d41",
            f"run BENCH_USB=$(cat /tmp/usb) dext run {bundle} --usb $USB -- opendext-bench /tmp '{row}'",
            f"run cat {RESULTS}"]
        console = machine.boot(script, [], modules={"dummy_hcd": "is_super_speed=1 num=2"}, seconds=BOOT_SECONDS,
                               options=CLOCK)
        check_console(console, script)
    table = re.compile(r"where .* what$|(two CPUs|one CPU) .* usbfs, ")
    print("".join(line + "\n" for line in console.splitlines() if table.match(line)), end="")
    rows = [json.loads(line.rstrip(",")) for line in re.findall(r"^ (\{\"name\".*\}),?", console, re.MULTILINE)]
    path = os.path.join(folder, "results.json")
    others = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            others = [other for other in json.load(file) if "usbfs" not in other["name"]]
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(" " + json.dumps(each) for each in others + rows) + "\n]\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AssertionError as error:
        sys.exit(f"usbfs.py: {error}")
