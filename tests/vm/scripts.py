# SPDX-License-Identifier: Apache-2.0
"""Lines of the machine's script that several cases use: gadgets of the kernel, and what is run on them."""
import re

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


def gadget(name, product, functions, speed=None):
    """A gadget of the kernel, not yet bound."""
    folder = f"/sys/kernel/config/usb_gadget/{name}"
    made = " && ".join(f"mkdir -p functions/{each} && ln -s functions/{each} configs/c.1" for each in functions)
    chosen = f" && echo {speed}-speed >max_speed" if speed else ""
    return (f"run mkdir {folder} && cd {folder} && echo 0x1209 >idVendor && echo {product} >idProduct"
            f" && mkdir -p configs/c.1 && {made}{chosen}")


def udc_of(name):
    return f"/sys/kernel/config/usb_gadget/{name}/UDC"


def function(name, controller=0, gadget_name=None, record=""):
    """vm-function behind FunctionFS, for the gadget of that name, which is bound; "": it has other functions, too,
    and the last of them binds it."""
    udc = "/dev/null" if gadget_name == "" else udc_of(gadget_name or name)
    return (f"run mkdir -p /ffs/{name} && mount -t functionfs {name} /ffs/{name}"
            f" && (vm-function /ffs/{name} {udc} dummy_udc.{controller} {record} &)")


def dextd(bundles):
    """Started with a folder of bundles, its log in /tmp/log. Its services are waited for by `await`."""
    return f"run (exec /usr/local/sbin/dextd --bundles {bundles} 2>>/tmp/log) & . /steps.sh; await '[ -S /run/opendext/registry ]'"


def bind(name, speed=None):
    folder = f"/sys/kernel/config/usb_gadget/{name}"
    chosen = f"echo {speed}-speed >{folder}/max_speed && " if speed else ""
    return f"run {chosen}echo dummy_udc.0 >{folder}/UDC"


def unbind(name):
    return f"run echo '' >/sys/kernel/config/usb_gadget/{name}/UDC"


def gadget_case(case, environment=""):
    return f"run CK_TIMEOUT_MULTIPLIER=30 CK_RUN_CASE={case} {environment} vm-gadgets"


def said_of(console, failed):
    """What the command has printed that failed, its beginning and its end; or what was said last."""
    if failed:
        console = console[console.rfind("\nvm: 0 ", 0, failed.start()) + 1:failed.end()]
    return console if len(console) < 12000 else console[:6000] + "\n[...]\n" + console[-6000:]


def check_console(console, script):
    """Every command of the script has run, returned 0 and, behind "hold", left nothing behind. Returns how many of
    them are test programs."""
    failed = re.search(r"^vm: [1-9]\d* (.*)", console, re.MULTILINE)
    missing = [line for line in script if line.startswith("run ") and f"vm: 0 {line[4:]}" not in console]
    if failed or missing:
        fail(f"{failed[1] if failed else missing[0]} failed:\n" + said_of(console, failed))
    return sum("CK_RUN_CASE" in line for line in script)
