# SPDX-License-Identifier: Apache-2.0
"""The USB classes themselves, in one process, on QEMU's devices and on gadgets of the kernel."""
import os

from machine import MIB, fail
from scripts import CONFIGFS, GADGET, bind, check_console, function, gadget, gadget_case, unbind


def usb_classes(machine):
    """The USB classes themselves, on QEMU's storage and audio devices and the kernel's gadget."""
    image = os.path.join(machine.work, "blocks.img")
    with open(image, "wb") as file:
        for block in range(4096):
            file.write(block.to_bytes(4, "little") * 128)
    check = "run CK_TIMEOUT_MULTIPLIER=30 CK_RUN_CASE={} vm-usb"
    cases = ["storage", "audio", "source_sink", "reaped_at_once"]
    script = ["hold", "usb 46f4:0001", check.format("storage"), "usb 46f4:0002", check.format("audio"), "loose",
              *GADGET, "hold", check.format("source_sink"), check.format("reaped_at_once")]
    console = machine.boot(
        script,
        ["-device", "qemu-xhci", "-drive", f"file={image},if=none,id=d0,format=raw",
         "-device", "usb-storage,drive=d0", "-audiodev", "none,id=a0",
         "-device", "usb-audio,audiodev=a0"])
    check_console(console, script)
    with open(image, "rb") as file:
        file.seek(MIB)
        if file.read() != bytes((at * 7 + at // 512) & 0xff for at in range(MIB)):
            fail("what was written is not in the image")
    return len(cases)


def gadgets(machine):
    """The kernel's gadgets and a device of our own, at high and super speed."""
    script = [CONFIGFS,
              gadget("own", "0x0d11", ["ffs.own"], "high"),
              gadget("loop", "0x0d12", ["Loopback.0"]),
              gadget("sink", "0x0d13", ["SourceSink.0"])]
    for speed in ("high", "super"):
        if speed == "high":
            script += [function("own"), "usb 1209:0d11", "hold"]
        else:
            script += [unbind("sink"), bind("own", speed)]
        script += ["usb 1209:0d11", gadget_case("function", f"SPEED={speed}"), unbind("own"), bind("loop", speed),
                   "usb 1209:0d12", gadget_case("loopback", f"SPEED={speed}"),
                   unbind("loop"), bind("sink", speed),
                   "usb 1209:0d13", gadget_case("sizes", f"SPEED={speed}"),
                   gadget_case("requests", f"SPEED={speed}"),
                   "run CK_TIMEOUT_MULTIPLIER=30 CK_RUN_CASE=codes vm-codes"]
    return check_console(machine.boot(script, []), script)


CASES = [
    ("USB classes: storage, isochronous audio, usbfs without room", usb_classes),
    ("gadgets: our own, Loopback, SourceSink, at high and super speed", gadgets),
]
