# SPDX-License-Identifier: Apache-2.0
"""A PCI device's memory in an app without rights: QEMU's ivshmem-plain, whose memory is a file here."""
import os
import re
import shutil

from machine import MIB, fail

PATTERN = bytes((at * 7 + at // 256) & 0xff for at in range(MIB // 2))
DEVICE = {"driver": "ivshmem-plain", "id": "s0", "memdev": "m0", "bus": "rp0"}


def mapped_bar(machine):
    """dextd hands BAR 2 to a host and through it to an app; the device is pulled out and plugged in again."""
    memory = os.path.join(machine.work, "ivshmem")
    with open(memory, "wb") as file:
        file.write(b"from the host\0")
        file.truncate(MIB)
    bundle = os.path.join(machine.root, "pci/pci_memory.dext")
    os.makedirs(bundle)
    for name in ("Info.plist", "pci_memory.so"):
        shutil.copy2(os.path.join(machine.build, "examples/pci_memory/pci_memory.dext", name), bundle)
    with open(os.path.join(machine.root, "access"), "w", encoding="ascii") as file:
        file.write("* everyone\n")

    plugged = []

    def host(word, monitor):
        if word == "check":
            with open(memory, "r+b") as file:
                file.seek(MIB // 2)
                if file.read() == PATTERN:
                    # The last byte first: the app waits for the first one.
                    file.seek(65)
                    file.write(b"eard\0")
                    file.flush()
                    file.seek(64)
                    file.write(b"h")
        elif word == "pull":
            monitor.unplug("s0")
        else:
            # QEMU wants other memory for another device; it is the same file.
            number = len(plugged) + 1
            plugged.append(number)
            monitor.run("object-add", **{"qom-type": "memory-backend-file", "id": f"m{number}", "share": True,
                                         "size": MIB, "mem-path": memory})
            monitor.run("device_add", **{**DEVICE, "memdev": f"m{number}"})

    count = "run ls /proc/$(pidof dextd)/fd | wc -l >/tmp/{0}; pidof dext-host | wc -w >>/tmp/{0}"
    wait = "i=0; until dext list | grep -q PCIMemory; do i=$((i+1)); [ $i -lt 60 ] || exit 1; sleep 0.5; done"
    script = [
        f"run /usr/local/sbin/dextd --bundles /pci --access /access 2>/tmp/log & {wait}",
        count.format("before"),
        "run vm-pci",
        count.format("after"),
        "run cmp /tmp/before /tmp/after",
        "run cat /tmp/log",
    ]
    console = machine.boot(script, [
        "-object", f"memory-backend-file,id=m0,share=on,size=1M,mem-path={memory}",
        "-device", "pcie-root-port,id=rp0,chassis=1,slot=1",
        "-device", ",".join(["ivshmem-plain", *(f"{key}={value}" for key, value in DEVICE.items() if key != "driver")]),
    ], host)
    if re.search(r"^vm: [^0h]", console, re.MULTILINE) or "vm: 0 vm-pci" not in console:
        fail("a PCI device's memory:\n" + console[-6000:])
    if "is killed" in console or "starting it again" in console:
        fail("a host did not end by itself:\n" + console[-6000:])
    print("\n".join(sorted(set(re.findall("^# .*", console, re.MULTILINE)))), flush=True)


CASES = [
    ("dextd: a PCI device's memory in an app, pulled out and plugged in again", mapped_bar),
]
