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


CAPTURED = """mkfifo /tmp/said
exec 3<>/tmp/said
dext capture -w /tmp/usb.pcap -s 65536 2>/tmp/said &
read -r line <&3
dext send /payload || exit 1
kill -INT $!
wait $! || exit 1
# Behind the file's header, the record's and usbmon's.
dd if=/tmp/usb.pcap bs=1 skip=104 count=4097 2>/dev/null | cmp - /payload || exit 1
rm /tmp/usb.pcap /tmp/said
echo captured all
"""


def capture_ftdi(machine):
    """What goes to a real device is in a capture, byte for byte."""
    make_payload(os.path.join(machine.root, "payload"), 4097)
    with open(os.path.join(machine.root, "captured.sh"), "w", encoding="utf-8") as file:
        file.write(CAPTURED)
    script = ["usb 0403:6001", "hold",
              f"run dext run {machine.bundle('bulkstream')} --usb $USB -- sh /captured.sh"]
    console = machine.boot(script, serial_devices(os.path.join(machine.work, "serial.out")))
    check_console(console, script)
    if "captured all" not in console:
        fail(console[-4000:])


CASES = [
    ("FTDI adapter, 1 byte", send_through_ftdi, 1),
    ("FTDI adapter, a page and 1 byte", send_through_ftdi, 4097),
    ("FTDI adapter, 8 MiB", send_through_ftdi, 8 * MIB),
    ("FTDI adapter, captured", capture_ftdi),
]
