# SPDX-License-Identifier: Apache-2.0
"""QEMU's FTDI adapter: a device that nobody here wrote."""
import os

from machine import MIB, fail, make_payload, sha256
from scripts import check_console


def serial_devices(output):
    return ["-device", "qemu-xhci", "-chardev", f"file,id=c0,path={output}",
            "-device", "usb-serial,chardev=c0"]


def send_through_ftdi(machine, size):
    """`dext send` of a file through bulkstream to QEMU's FTDI adapter; the bytes arrive in its file."""
    payload = os.path.join(machine.root, "payload")
    output = os.path.join(machine.work, "serial.out")
    make_payload(payload, size)
    if os.path.exists(output):
        os.remove(output)
    bundle = machine.bundle("bulkstream")
    script = ["usb 0403:6001", "hold", f"run dext run {bundle} --usb $USB -- dext send --json /payload"]
    console = machine.boot(script, serial_devices(output))
    check_console(console, script)
    if sha256(payload) != sha256(output):
        fail(f"{os.path.getsize(output)} of {size} bytes arrived, or others:\n{console[-4000:]}")


CASES = [
    ("FTDI adapter, 1 byte", send_through_ftdi, 1),
    ("FTDI adapter, a page and 1 byte", send_through_ftdi, 4097),
    ("FTDI adapter, 8 MiB", send_through_ftdi, 8 * MIB),
]
