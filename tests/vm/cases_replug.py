# SPDX-License-Identifier: Apache-2.0
"""Devices that are pulled out in mid-stream and plugged in again."""
import os

from scripts import check_console, gadget_case


def pulled_out(machine):
    """QEMU's FTDI adapter is pulled out in mid-stream and plugged in again."""
    output = os.path.join(machine.work, "pulled.out")

    def host(word, monitor):
        if word == "pull":
            monitor.run("device_del", id="s0")
            monitor.wait(lambda line: line.get("event") == "DEVICE_DELETED")
        else:
            monitor.run("device_add", driver="usb-serial", id="s0", chardev="c0")

    script = ["usb 0403:6001", gadget_case("replugged", "IDS=0403:6001 ROUNDS=5")]
    console = machine.boot(script, ["-device", "qemu-xhci", "-chardev", f"file,id=c0,path={output}",
                                    "-device", "usb-serial,chardev=c0,id=s0"], host)
    return check_console(console, script)


CASES = [
    ("QEMU's adapter pulled out and plugged in, in mid-stream", pulled_out),
]
