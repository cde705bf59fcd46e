# SPDX-License-Identifier: Apache-2.0
"""dextd on real devices: processes that are killed, several devices, kernel drivers that are taken and given back."""
import os

from machine import MIB, make_payload
from scripts import CONFIGFS, check_console, dextd, function, gadget, udc_of

KILLS = 5
LARGE = 48 * MIB
EXACT = MIB + 4097


def steps(*commands):
    return "run . /steps.sh; " + " && ".join(commands)


def payloads(machine, count=1):
    """/payload0 and so on, which differ, and /large."""
    make_payload(os.path.join(machine.root, "large"), LARGE)
    for number in range(count):
        make_payload(os.path.join(machine.root, f"payload{number}"), EXACT + number)


def killed(machine):
    """Apps and hosts end by SIGKILL in mid-stream, and devices go: everyone is told, and the next stream is exact."""
    bundles = machine.make_bundle("kill", [{"idProduct": 0x0d30}])
    payloads(machine)
    exact = "exact /payload0 /tmp/record"
    begin = "begin /large /tmp/record"
    host = "old=$(pidof dext-host)"
    again = "await '[ -n \"$(pidof dext-host)\" ] && [ \"$(pidof dext-host)\" != $old ]' && services 1"
    place = "place=/sys/bus/usb/devices/$(cd /sys/bus/usb/devices; grep -l 0d30 */idProduct | cut -d/ -f1)"
    udc = udc_of("kill")
    script = [CONFIGFS, gadget("kill", "0x0d30", ["ffs.kill"], "high"), function("kill", record="/tmp/record"),
              "usb 1209:0d30", dextd(bundles), steps("services 1", exact), "hold"]
    cases = [
        *[steps(begin, "kill -9 $app", "ended 137", exact)] * KILLS,
        *[steps(host, begin, "kill -9 $old", "ended 5", again, exact)] * KILLS,
        # The device goes, in ways that the kernel tells differently.
        steps(begin, f"echo '' >{udc}", "ended 5", "services 0", f"echo dummy_udc.0 >{udc}", "services 1", exact),
        steps(place, begin, "echo 0 >$place/authorized", "ended 5", "services 0", "echo 1 >$place/authorized",
              "services 1", exact),
    ]
    # Its open files know of no device any more.
    script += cases
    check_console(machine.boot(script, []), script)
    return len(cases)


def several(machine):
    """Two devices with three interfaces, each with a host of its own, which stream at the same time."""
    bundles = machine.make_bundle("several", [
        {"idProduct": product, "bInterfaceNumber": interface}
        for product, interface in ((0x0d31, 0), (0x0d31, 1), (0x0d32, 0))])
    payloads(machine, 3)
    send = ("n=0; for id in $(ids); do (dext send --service $id /payload$n >/tmp/sent$n 2>&1 || touch /tmp/failed) &"
            " n=$((n + 1)); done; wait; [ $n -eq 3 ] && [ ! -e /tmp/failed ]")
    sums = "sha256sum {} | cut -c1-64 | sort"
    same = (f"await '[ $(cat /tmp/a /tmp/b /tmp/c | wc -c) -ge {3 * EXACT + 3} ]' &&"
            f" [ \"$({sums.format('/tmp/a /tmp/b /tmp/c')})\" = \"$({sums.format('/payload?')})\" ]")
    script = [CONFIGFS, gadget("two", "0x0d31", ["ffs.a", "ffs.b"], "high"), gadget("one", "0x0d32", ["ffs.c"], "high"),
              function("a", gadget_name="", record="/tmp/a"), function("b", gadget_name="two", record="/tmp/b"),
              function("c", 1, gadget_name="one", record="/tmp/c"), "usb 1209:0d31", "usb 1209:0d32",
              dextd(bundles), steps("services 3"), "hold"]
    cases = [*[steps("for each in a b c; do : >/tmp/$each; done", send, same)] * 3,
             "run vm-holds $(pidof dext-host)"]
    script += cases
    check_console(machine.boot(script, [], modules={"dummy_hcd": "is_super_speed=1 num=2"}), script)
    return len(cases)


def kernel_driver(machine):
    """The kernel's driver of a disk is detached while a host may come back, and works again afterwards."""
    image = os.path.join(machine.work, "disk.img")
    make_payload(image, MIB)
    make_payload(os.path.join(machine.root, "payload0"), MIB)
    machine.make_bundle("disk", [{"idVendor": 0x46f4, "idProduct": 1}])
    # The log has a line for each time that it was bound.
    bound = ("[ $(dmesg | grep -c Mass.Storage.device.detected) -eq {} ] &&"
             " [ \"$(driver 46f4:0001)\" = {} ]")
    works = "await '[ -b /dev/sda ]' && cmp /dev/sda /payload0"
    again = "await '[ -n \"$(pidof dext-host)\" ] && [ \"$(pidof dext-host)\" != $old ]' && services 1"
    crash = "old=$(pidof dext-host) && kill -9 $old && " + again + " && " + bound.format(1, "usbfs")
    script = ["usb 46f4:0001", steps(works, bound.format(1, "usb-storage")), "run mkdir /tmp/bundles",
              dextd("/tmp/bundles"), "hold"]
    take = "cp -r /bundles/disk/disk.dext /tmp/bundles/ && services 1"
    cases = [
        steps(take, bound.format(1, "usbfs"), crash, crash, "rm -r /tmp/bundles/disk.dext", "services 0",
              "await '" + bound.format(2, "usb-storage") + "'", works),
        # Gone for good with dextd itself, too.
        "loose", steps(take, bound.format(2, "usbfs"), "kill $(pidof dextd)",
                       "await '" + bound.format(3, "usb-storage") + "'", works),
    ]
    script += cases
    devices = ["-device", "qemu-xhci", "-drive", f"file={image},if=none,id=d0,format=raw",
               "-device", "usb-storage,drive=d0"]
    check_console(machine.boot(script, devices, modules={"usb_storage": "", "sd_mod": ""}), script)
    return 2


CASES = [
    ("dextd: app, host and device end in mid-stream", killed),
    ("dextd: two devices, three interfaces", several),
    ("dextd: a kernel driver is detached and given back", kernel_driver),
]
