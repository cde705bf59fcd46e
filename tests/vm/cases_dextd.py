# SPDX-License-Identifier: Apache-2.0
"""dextd, and devices that come and go."""
import os

from machine import MIB, fail, make_payload
from scripts import GADGET, check_console


def hot_plug(machine):
    """dextd as root, without udev: a gadget that is plugged in, pulled out and plugged in again."""
    bundles = os.path.dirname(machine.bundle("bulkstream"))
    until = "i=0; {} dext list | grep -q BulkStream; do i=$((i+1)); [ $i -lt 60 ] || exit 1; sleep 0.5; done"
    come, go = until.format("until"), until.format("while")
    udc = "/sys/kernel/config/usb_gadget/g/UDC"
    make_payload(os.path.join(machine.root, "payload"), MIB)
    script = [
        *[line.replace("0x0d10", "0x0d01") for line in GADGET if line.startswith("run")],
        # A control group that is dextd's alone, as systemd's Delegate= makes one.
        "run mkdir -p /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup"
        " && echo +memory >cgroup.subtree_control && mkdir dextd",
        f"run (echo 0 >/sys/fs/cgroup/dextd/cgroup.procs; exec /usr/local/sbin/dextd --bundles {bundles}"
        f" --memory-max 256M 2>/tmp/log) & {come}",
        "usb 1209:0d01",
        "hold",
        f"run echo '' >{udc}; {go}; echo dummy_udc.0 >{udc}; {come}",
        "run head -c 100000 /payload | dext send --json -",
        "run for p in $(pidof dext-host); do grep -E '^(Uid|Gid|Groups|CapEff)' /proc/$p/status; done",
        "run cat /sys/fs/cgroup/dextd/host-*/memory.max",
        "run cat /tmp/log",
    ]
    console = machine.boot(script, [])
    check_console(console, script)
    if "Uid:\t65000" not in console or "\n268435456" not in console:
        fail("dextd:\n" + console[-6000:])


def too_much(machine):
    """An app that asks for more memory than its driver may have: it is refused, and the driver lives."""
    bundles = os.path.dirname(machine.bundle("bulkstream"))
    until = "i=0; until {}; do i=$((i+1)); [ $i -lt 60 ] || exit 1; sleep 0.5; done"
    send = "head -c 100000 /dev/zero | dext send --buffers {} --size {} -"
    script = [
        "run mkdir -p /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup"
        " && echo +memory >cgroup.subtree_control && mkdir dextd",
        f"run (echo 0 >/sys/fs/cgroup/dextd/cgroup.procs; exec /usr/local/sbin/dextd --bundles {bundles}"
        f" --memory-max 256M --allow-virtual 2>/tmp/log) & {until.format('dext plug sink 2>/dev/null')}",
        f"run {until.format('dext list | grep -q BulkStream')}; pidof dext-host >/tmp/before",
        "hold",
        # As long as each app has memory of its own, more than all may have; and many that are smaller.
        f"run {send.format(8, '64M')}; [ $? = 1 ] && {send.format(4000, '100K')}; [ $? = 1 ]",
        f"run {send.format(8, '16M')}",
        "run [ \"$(pidof dext-host)\" = \"$(cat /tmp/before)\" ] && grep -q 'dextd --memory-max' /tmp/log; S=$?; cat /tmp/log; exit $S",
    ]
    check_console(machine.boot(script, []), script)


CASES = [
    ("dextd: more memory than a driver may have is refused, and the driver lives", too_much),
    ("dextd: a gadget that is plugged in, pulled out and plugged in again", hot_plug),
]
