# SPDX-License-Identifier: Apache-2.0
"""Lines of the machine's script that several cases use: gadgets of the kernel, and what is run on them."""
from machine import fail

CONFIGFS = "run mount -t configfs none /sys/kernel/config"
GADGET = [
    CONFIGFS,
    "run cd /sys/kernel/config/usb_gadget && mkdir g && cd g && echo 0x1209 >idVendor"
    " && echo 0x0d10 >idProduct && mkdir -p functions/SourceSink.0 configs/c.1"
    " && echo 0 >functions/SourceSink.0/pattern && ln -s functions/SourceSink.0 configs/c.1"
    " && echo dummy_udc.0 >UDC",
    "run echo 1 >/sys/module/usbcore/parameters/usbfs_memory_mb",
    "usb 1209:0d10",
]


def gadget(name, product, functions):
    """A gadget of the kernel, not yet bound."""
    folder = f"/sys/kernel/config/usb_gadget/{name}"
    made = " && ".join(f"mkdir -p functions/{each} && ln -s functions/{each} configs/c.1" for each in functions)
    return (f"run mkdir {folder} && cd {folder} && echo 0x1209 >idVendor && echo {product} >idProduct"
            f" && mkdir -p configs/c.1 && {made}")


def bind(name, speed=None):
    folder = f"/sys/kernel/config/usb_gadget/{name}"
    chosen = f"echo {speed}-speed >{folder}/max_speed && " if speed else ""
    return f"run {chosen}echo dummy_udc.0 >{folder}/UDC"


def unbind(name):
    return f"run echo '' >/sys/kernel/config/usb_gadget/{name}/UDC"


def gadget_case(case, environment=""):
    return f"run CK_TIMEOUT_MULTIPLIER=30 CK_RUN_CASE={case} {environment} vm-gadgets"


def check_console(console, script):
    """Every command of the script has run and returned 0. Returns the number of cases of vm-gadgets."""
    for line in script:
        if not line.startswith("usb ") and f"vm: 0 {line[4:]}" not in console:
            fail(f"{line[4:]} failed:\n" + console[-6000:])
    return sum("vm-gadgets" in line for line in script)
