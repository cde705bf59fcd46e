# SPDX-License-Identifier: Apache-2.0
"""dextd is killed in mid-stream and started again, as by systemd, with its descriptor store (vm-keeper)."""
import os

from machine import make_payload
from scripts import bind, check_console, gadget

STREAM = 80 << 20
GATE = "/tmp/gate"
UNTIL = "for i in $(seq 100); do {} && break; sleep 0.2; done; {}"


def until(condition):
    """A command that waits for the condition, and fails if it does not come."""
    return "run " + UNTIL.format(condition, condition)


def start(bundles):
    """dextd in a control group that is its own, as systemd's Delegate= and DelegateSubgroup= make one."""
    return [
        "run mkdir -p /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup"
        " && echo +memory >cgroup.subtree_control && mkdir -p dextd/registry",
        f"run (echo 0 >/sys/fs/cgroup/dextd/registry/cgroup.procs; exec vm-keeper {GATE} /usr/local/sbin/dextd"
        f" --bundles {bundles} --memory-max 256M --keep-hosts 100 2>>/tmp/log >/tmp/keeper) &",
    ]


def stop():
    """An orderly end, after which nothing runs and nothing is kept. (Process 1 of the machine does not reap.)"""
    ended = "(for p in $(pidof dextd dext-host vm-keeper); do grep -q 'State:.Z' /proc/$p/status || exit 1; done)"
    return ["run kill $(pidof dextd)", until(ended),
            "run grep ' 0 descriptors are left' /tmp/keeper"]


SHOW = "cat /proc/$(pidof dext-host)/status | grep -E '^(Pid|Uid)'; dext list --json | grep -o '\"id\"[^,}]*'"
KILL = f"P=$(pidof dextd); kill -9 $P; while [ -d /proc/$P ]; do sleep 0.05; done"
HELD = "(ls /proc/$(pidof dextd)/fd | wc -l; ls /proc/$(pidof dext-host)/fd | wc -l)"


def mid_stream(machine):
    """An app streams through the kernel's loopback gadget, both ways; dextd is killed twice meanwhile."""
    make_payload(os.path.join(machine.root, "payload"), STREAM)
    bundles = os.path.dirname(machine.bundle("bulkstream"))
    script = [
        "run mount -t configfs none /sys/kernel/config",
        gadget("loop", "0x0d03", ["Loopback.0"]),
        bind("loop"),
        "run echo 64 >/sys/module/usbcore/parameters/usbfs_memory_mb",
        "usb 1209:0d03",
        *start(bundles),
        until("dext list | grep -q BulkStream"),
        f"run ({SHOW}) >/tmp/before; {HELD} >/tmp/held-before",
        f"run (dext recv --bytes {STREAM} /tmp/got >/tmp/recv 2>&1; echo $? >/tmp/recv-status) &",
        # At a pace of its own, so that it lasts longer than two dextds however quick the machine is.
        f"run (for i in $(seq 0 {(STREAM >> 20) - 1}); do dd if=/payload bs=1M skip=$i count=1 2>/dev/null; sleep 0.1;"
        " done | dext send - >/tmp/send 2>&1; echo $? >/tmp/send-status) &",
        until("[ -s /tmp/got ]"),
        # It goes on without dextd: a megabyte more at least.
        f"run {KILL}; A=$(stat -c %s /tmp/got); while [ $(stat -c %s /tmp/got) -lt $((A+1000000)) ]; do"
        " sleep 0.05; done; [ ! -e /tmp/recv-status ] && touch " + GATE,
        until("dext list | grep -q BulkStream"),
        f"run {KILL}; touch {GATE}",
        until("dext list | grep -q BulkStream"),
        "run [ ! -e /tmp/recv-status ] && echo vm: it streamed all the time",
        until("[ -e /tmp/recv-status -a -e /tmp/send-status ]"),
        "run cmp /payload /tmp/got && grep -qx 0 /tmp/recv-status && grep -qx 0 /tmp/send-status",
        f"run ({SHOW}) >/tmp/after; cmp /tmp/before /tmp/after",
        f"run {HELD} >/tmp/held-after; cmp /tmp/held-before /tmp/held-after",
        # What is opened now is as what was opened then.
        "run (dext recv --bytes 100000 /tmp/more >/dev/null; echo $? >/tmp/more-status) & head -c 100000 /payload |"
        " dext send - >/dev/null && while [ ! -e /tmp/more-status ]; do sleep 0.05; done; head -c 100000 /payload |"
        " cmp - /tmp/more",
        "run cat /sys/fs/cgroup/dextd/host-*/memory.max",
        *stop(),
        "run cat /tmp/log",
    ]
    check_console(machine.boot(script, []), script)


def kernel_driver(machine):
    """What was taken from the kernel's driver is given back by the dextd that comes after the one that took it."""
    is_with = "for d in /sys/bus/usb/devices/*:1.0; do grep -q v0403p6001 $d/modalias && basename $(readlink" \
        " $d/driver); done | grep -qx {}"
    bundle = machine.bundle("bulkstream")
    output = os.path.join(machine.work, "given-back.out")
    script = [
        "usb 0403:6001",
        until(is_with.format("ftdi_sio")),
        f"run mkdir /tmp/bundles && cp -r {bundle} /tmp/bundles/adapter.dext",
        *start("/tmp/bundles"),
        until("dext list | grep -q BulkStream"),
        f"run {KILL}",
        f"run ! {{ {is_with.format('ftdi_sio')}; }}",
        "run kill -9 $(pidof dext-host) && rm -r /tmp/bundles/adapter.dext && touch " + GATE,
        until(is_with.format("ftdi_sio")),
        "run grep -q 'was given back to the kernel' /tmp/log",
        # That dextd holds its file open does not keep it awake.
        "run cd $(dirname $(grep -l 6001 /sys/bus/usb/devices/*/idProduct)) && echo 0 >power/autosuspend_delay_ms"
        " && echo auto >power/control",
        until("grep -q suspended $(dirname $(grep -l 6001 /sys/bus/usb/devices/*/idProduct))/power/runtime_status"),
        *stop(),
        "run cat /tmp/log",
    ]
    check_console(machine.boot(script, ["-device", "qemu-xhci", "-chardev", f"file,id=c0,path={output}",
                                        "-device", "usb-serial,chardev=c0"], modules={"ftdi_sio": ""}), script)


CASES = [
    ("dextd killed and started again with its descriptor store, in mid-stream", mid_stream),
    ("dextd killed: the kernel's driver gets back what it had", kernel_driver),
]
