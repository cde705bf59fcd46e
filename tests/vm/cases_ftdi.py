# SPDX-License-Identifier: Apache-2.0
"""drivers/ftdi, examples/serial_terminal, dext bind and dext devices, all through dextd and as an ordinary user."""
import os
import re
import socket

from machine import fail, make_payload
from scripts import GADGET

# A user of group opendext, and nothing else.
USER = ("run mkdir -p /etc && echo root:x:0:0::/:/bin/sh >/etc/passwd && echo user:x:1000:900::/:/bin/sh >>/etc/passwd"
        " && echo opendext:x:900: >/etc/group && chmod 644 /etc/passwd /etc/group")


def as_user(command):
    return f"busybox su user -c '{command}'"


UNTIL = "i=0; until {}; do i=$((i+1)); [ $i -lt 120 ] || exit 1; sleep 0.5; done"
TERMINAL = "examples/serial_terminal/serial_terminal"
RATES = (300, 9600, 115200, 921600, 3000000)


def check(console, *wanted):
    for text in wanted:
        if text not in console:
            fail(f"'{text}' is not said:\n{console[-5000:]}")
    if re.search(r"^vm: [1-9]", console, re.MULTILINE):
        fail(console[-5000:])


def start_dextd(machine):
    """With all bundles that were installed: the driver of the device goes before bulkstream."""
    machine.copy(os.path.join(machine.build, TERMINAL), "bin/serial_terminal")
    bundles = os.path.dirname(machine.bundle("ftdi"))
    return (f"run /usr/local/sbin/dextd --bundles {bundles} 2>/tmp/log & "
            + UNTIL.format("dext list | grep -q FTDISerial"))


def send_at_all_rates(machine):
    """A file at several rates, each by a terminal of its own; all of it arrives, in order."""
    output = os.path.join(machine.work, "serial-rates.out")
    payload = os.path.join(machine.root, "payload")
    make_payload(payload, 100001)
    console = machine.boot([
        USER, "usb 0403:6001", start_dextd(machine),
        *["run " + as_user(f"serial_terminal --baud {rate} --linger 0 </payload") for rate in RATES],
        "run ! " + as_user("serial_terminal --baud 2500000 </payload"),
        "run " + as_user("dext devices"),
        "run " + as_user("busybox id"), "run cat /tmp/log",
    ], ["-device", "qemu-xhci", "-chardev", f"file,id=c0,path={output}", "-device", "usb-serial,chardev=c0"])
    check(console, "uid=1000(user) gid=900(opendext)", "0403:6001", "OpenDext: FTDISerial (org.opendext.ftdi)",
          "the adapter does not do 2500000 baud")
    with open(payload, "rb") as sent, open(output, "rb") as arrived:
        if arrived.read() != sent.read() * len(RATES):
            fail(f"{os.path.getsize(output)} bytes arrived, or others:\n{console[-5000:]}")
    return len(RATES)


def receive(machine):
    """A file from the other end of the line, which sends when it was asked to."""
    path = os.path.join(machine.work, "serial.socket")
    payload = os.path.join(machine.root, "payload")
    make_payload(payload, 50001)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(120)

    def host(word, _):
        if word == "connect":
            line.connect(path)  # QEMU plugs the adapter in
        else:
            asked = b""
            while asked != b"go":
                asked += line.recv(2)
            with open(payload, "rb") as file:
                line.sendall(file.read())

    with line:
        console = machine.boot([
            USER, "run echo vm: host connect", "usb 0403:6001", start_dextd(machine),
            "run (printf go | " + as_user("serial_terminal --linger 10000") + " >/tmp/received) & echo; echo vm: host feed;"
            " wait $!; cmp /tmp/received /payload",
            "run busybox wc -c /tmp/received", "run cat /tmp/log",
        ], ["-device", "qemu-xhci", "-chardev", f"socket,id=c0,path={path},server=on,wait=off",
            "-device", "usb-serial,chardev=c0"], host)
    check(console, "50001 /tmp/received")


def bind(machine):
    """A device without a driver gets one by `dext bind`, while dextd runs, and loses it by `dext unbind`."""
    serves = "dext list | grep -q BulkStream"
    console = machine.boot([
        USER, *[line for line in GADGET if line.startswith("run")], "usb 1209:0d10",
        "run mkdir -p /etc/opendext/bundles; /usr/local/sbin/dextd 2>/tmp/log & " + UNTIL.format("dext list"),
        "run dext devices",
        "run ! " + as_user("dext bind 1209:0d10 bulkstream"),
        "run ! dext bind 1209:0d10:7 bulkstream",
        "run dext bind 1209:0d10 bulkstream; " + UNTIL.format(serves),
        "run " + as_user("head -c 1000001 /dev/zero | dext send --json -"),
        "run " + as_user("dext devices"), "run " + as_user("dext devices --json"),
        "run ! dext bind 1209:0d10 bulkstream",
        "run dext unbind 1209:0d10; " + UNTIL.format("! " + serves),
        "run echo; echo after; dext devices",
        "run cat /tmp/log",
    ], [])
    check(console, "has no such interface", "Permission denied", "is there already", '"bytes": 1000001',
          "OpenDext: BulkStream (org.opendext.bulkstream.1209-0d10-0)", '"owner":"opendext"')
    if "nobody" not in console[console.rindex("\nafter\n"):]:
        fail("unbound, and not free:\n" + console[-5000:])


CASES = [
    ("dextd and the FTDI driver: an ordinary user sends at several rates", send_at_all_rates),
    ("dextd and the FTDI driver: an ordinary user receives", receive),
    ("dext bind: an ordinary user streams to a gadget that nobody wrote a driver for", bind),
]
