#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots Debian's kernel in QEMU with the installed programs inside and streams to QEMU's USB devices.

    run.py BUILD_DIR

Prints TAP. The cases are in CASES: what QEMU is given, what runs inside, and how the result is checked here.
"""
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ["xhci_pci", "dummy_hcd", "usb_f_ss_lb", "usb_f_fs"]
PARAMETERS = {"dummy_hcd": "is_super_speed=1"}
BOOT_SECONDS = 240
MIB = 1 << 20


def fail(message):
    raise AssertionError(message)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


def make_payload(path, size):
    """Bytes that are no pattern and the same in each run."""
    with open(path, "wb") as file:
        for block in range((size + 31) // 32):
            file.write(hashlib.sha256(block.to_bytes(8, "little")).digest())
        file.truncate(size)


class Machine:
    """The root file system of the virtual machine and its boot."""

    def __init__(self, work, build):
        self.work, self.build = work, build
        self.root = os.path.join(work, "root")
        self.cache = os.path.join(build, "vm-kernel")
        subprocess.run([os.path.join(HERE, "kernel.sh"), self.cache], check=True,
                       stdout=sys.stderr)
        with open(os.path.join(self.cache, "version"), encoding="ascii") as file:
            self.version = file.read().strip()
        self.fill()

    def fill(self):
        for folder in ("bin", "dev", "modules", "proc", "sys", "tmp", "run", "usr/local/lib"):
            os.makedirs(os.path.join(self.root, folder))
        stage = os.path.join(self.work, "stage")
        subprocess.run(["meson", "install", "-C", self.build, "--no-rebuild", "--quiet",
                        "--destdir", stage], check=True, stdout=sys.stderr)
        shutil.copytree(os.path.join(stage, "usr/local"), os.path.join(self.root, "usr/local"),
                        symlinks=True, dirs_exist_ok=True)
        # Whatever the prefix calls its library folder: the machine has one library path.
        for folder, _, files in os.walk(os.path.join(stage, "usr/local")):
            for name in files:
                if ".so" in name and not folder.endswith(".dext"):
                    self.copy(os.path.join(folder, name), os.path.join("usr/local/lib", name))
        busybox = shutil.which("busybox") or fail("busybox-static is not installed")
        self.copy(busybox, "bin/busybox")
        os.symlink("busybox", os.path.join(self.root, "bin/sh"))
        self.copy(os.path.join(self.build, "tests/vm/vm-init"), "init")
        for program in ("vm-usb", "vm-gadgets", "vm-function"):
            self.copy(os.path.join(self.build, "tests/vm", program), "bin/" + program)
        self.copy_libraries()
        self.copy_modules()

    def bundle(self, name):
        """Where an installed bundle is, as the machine sees it."""
        for folder, _, _ in os.walk(os.path.join(self.root, "usr/local")):
            if folder.endswith(f"/{name}.dext"):
                return folder[len(self.root):]
        return fail(f"{name}.dext is not installed")

    def copy(self, source, target):
        target = os.path.join(self.root, target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            shutil.copy2(os.path.realpath(source), target)

    def copy_libraries(self):
        programs = []
        for folder, _, files in os.walk(self.root):
            programs += [os.path.join(folder, name) for name in files
                         if not os.path.islink(os.path.join(folder, name))]
        environment = {**os.environ,
                       "LD_LIBRARY_PATH": os.path.join(self.root, "usr/local/lib")}
        for program in programs:
            listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False,
                                    env=environment).stdout
            for path in re.findall(r"(/\S+)", listed):
                if not path.startswith(self.root) and os.path.exists(path):
                    self.copy(path, path.lstrip("/"))

    def copy_modules(self):
        order = []
        for module in MODULES:
            shown = subprocess.run(["modprobe", "-d", os.path.join(self.cache, "modules"),
                                    "-S", self.version, "--show-depends", module],
                                   capture_output=True, text=True, check=True).stdout
            order += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
        with open(os.path.join(self.root, "modules/order"), "w", encoding="ascii") as file:
            for path in dict.fromkeys(order):
                self.copy(path, "modules/" + os.path.basename(path))
                name = os.path.basename(path)
                parameters = PARAMETERS.get(name.split(".")[0], "")
                file.write(f"/modules/{name} {parameters}".rstrip() + "\n")

    def boot(self, script, devices, host=None):
        """Runs the script in a fresh machine; returns its console. host: called with what a program inside asks for
        by a line "vm: host WORD", and with a Monitor of QEMU."""
        with open(os.path.join(self.root, "script"), "w", encoding="ascii") as file:
            file.write("\n".join(script) + "\n")
        image = os.path.join(self.work, "initrd.cpio")
        with open(image, "wb") as out:
            names = subprocess.run(["find", "."], cwd=self.root, capture_output=True,
                                   check=True).stdout
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=self.root, input=names,
                           stdout=out, check=True)
        command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu",
                   "qemu64", "-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config",
                   "-display", "none", "-no-reboot", "-serial", "stdio",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                   "-kernel", os.path.join(self.cache, "vmlinux"), "-initrd", image,
                   "-append", "console=ttyS0 quiet mitigations=off nokaslr panic=-1", *devices]
        monitor = os.path.join(self.work, "monitor")
        command += ["-qmp", f"unix:{monitor},server=on,wait=off"]
        console, link = [], None
        with subprocess.Popen(["timeout", "-k", "5", str(BOOT_SECONDS), *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as done:
            for line in done.stdout:
                console.append(line)
                if host and (asked := re.match(r"vm: host (\w+)", line)):
                    link = link or Monitor(monitor)
                    host(asked[1], link)
        console = "".join(console)
        if done.returncode % 2 == 0:
            fail(f"the machine ended with {done.returncode}:\n{console[-4000:]}")
        return console


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.run("qmp_capabilities")

    def run(self, name, **arguments):
        self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        answer = self.wait(lambda line: "return" in line or "error" in line)
        if "error" in answer:
            fail(f"QEMU: {name}: {answer['error']}")

    def wait(self, wanted):
        while not wanted(line := json.loads(self.lines.readline())):
            pass
        return line


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
    console = machine.boot([
        "usb 0403:6001",
        f"run dext run {bundle} --usb $USB -- dext send --json /payload",
    ], serial_devices(output))
    if f"vm: 0 dext run {bundle}" not in console:
        fail("dext send failed:\n" + console[-4000:])
    if sha256(payload) != sha256(output):
        fail(f"{os.path.getsize(output)} of {size} bytes arrived, or others:\n{console[-4000:]}")


GADGET = [
    "run mount -t configfs none /sys/kernel/config",
    "run cd /sys/kernel/config/usb_gadget && mkdir g && cd g && echo 0x1209 >idVendor"
    " && echo 0x0d10 >idProduct && mkdir -p functions/SourceSink.0 configs/c.1"
    " && echo 0 >functions/SourceSink.0/pattern && ln -s functions/SourceSink.0 configs/c.1"
    " && echo dummy_udc.0 >UDC",
    "run echo 1 >/sys/module/usbcore/parameters/usbfs_memory_mb",
    "usb 1209:0d10",
]


def hot_plug(machine):
    """dextd as root, without udev: a gadget that is plugged in, pulled out and plugged in again."""
    bundles = os.path.dirname(machine.bundle("bulkstream"))
    until = "i=0; {} dext list | grep -q BulkStream; do i=$((i+1)); [ $i -lt 60 ] || exit 1; sleep 0.5; done"
    come, go = until.format("until"), until.format("while")
    udc = "/sys/kernel/config/usb_gadget/g/UDC"
    make_payload(os.path.join(machine.root, "payload"), MIB)
    console = machine.boot([
        *[line.replace("0x0d10", "0x0d01") for line in GADGET if line.startswith("run")],
        # A control group that is dextd's alone, as systemd's Delegate= makes one.
        "run mkdir -p /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup"
        " && echo +memory >cgroup.subtree_control && mkdir dextd",
        f"run (echo 0 >/sys/fs/cgroup/dextd/cgroup.procs; exec /usr/local/sbin/dextd --bundles {bundles}"
        f" --memory-max 256M 2>/tmp/log) & {come}",
        "usb 1209:0d01",
        "run echo '' >" + udc + " || true; " + go,
        f"run echo dummy_udc.0 >{udc}; {come}",
        "run head -c 100000 /payload | dext send --json -",
        "run for p in $(pidof dext-host); do grep -E '^(Uid|Gid|Groups|CapEff)' /proc/$p/status; done",
        "run cat /sys/fs/cgroup/dextd/host-*/memory.max",
        "run cat /tmp/log",
    ], [])
    if re.search(r"^vm: [^0]", console, re.MULTILINE) or "Uid:\t65000" not in console or "\n268435456" not in console:
        fail("dextd:\n" + console[-6000:])


def usb_classes(machine):
    """The USB classes themselves, on QEMU's storage and audio devices and the kernel's gadget."""
    image = os.path.join(machine.work, "blocks.img")
    with open(image, "wb") as file:
        for block in range(4096):
            file.write(block.to_bytes(4, "little") * 128)
    check = "CK_TIMEOUT_MULTIPLIER=30 CK_RUN_CASE={} vm-usb"
    cases = ["storage", "audio", "source_sink"]
    console = machine.boot(
        ["usb 46f4:0001", "run " + check.format("storage"),
         "usb 46f4:0002", "run " + check.format("audio"), *GADGET,
         "run " + check.format("source_sink")],
        ["-device", "qemu-xhci", "-drive", f"file={image},if=none,id=d0,format=raw",
         "-device", "usb-storage,drive=d0", "-audiodev", "none,id=a0",
         "-device", "usb-audio,audiodev=a0"])
    for case in cases:
        if f"vm: 0 {check.format(case)}" not in console:
            fail(f"{case} failed:\n" + console[-4000:])
    with open(image, "rb") as file:
        file.seek(MIB)
        if file.read() != bytes((at * 7 + at // 512) & 0xff for at in range(MIB)):
            fail("what was written is not in the image")
    return len(cases)


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


def gadgets(machine):
    """The kernel's gadgets and a device of our own, at high and super speed, replugged in mid-stream."""
    script = ["run mount -t configfs none /sys/kernel/config",
              gadget("own", "0x0d11", ["ffs.d"]),
              gadget("loop", "0x0d12", ["Loopback.0"]),
              gadget("sink", "0x0d13", ["SourceSink.0"])]
    own = "/sys/kernel/config/usb_gadget/own"
    for speed in ("high", "super"):
        if speed == "high":
            script.append(f"run echo high-speed >{own}/max_speed && mkdir /ffs && mount -t functionfs d /ffs"
                          f" && (vm-function /ffs {own}/UDC dummy_udc.0 &)")
        else:
            script += [unbind("sink"), bind("own", speed)]
        script += ["usb 1209:0d11", gadget_case("function", f"SPEED={speed}"), unbind("own"), bind("loop", speed),
                   "usb 1209:0d12", gadget_case("loopback", f"SPEED={speed}"),
                   unbind("loop"), bind("sink", speed),
                   "usb 1209:0d13", gadget_case("sizes", f"SPEED={speed}"),
                   gadget_case("requests", f"SPEED={speed}")]
    script.append(gadget_case("replugged", "IDS=1209:0d13 ROUNDS=10 UDC=/sys/kernel/config/usb_gadget/sink/UDC"))
    return check_console(machine.boot(script, []), script)


def pulled_out(machine):
    """QEMU's FTDI adapter is pulled out in mid-stream and plugged in again."""
    output = os.path.join(machine.work, "pulled.out")

    def host(word, monitor):
        if word == "pull":
            monitor.run("device_del", id="s0")
            monitor.wait(lambda line: line.get("event") == "DEVICE_DELETED")
        else:
            monitor.run("device_add", driver="usb-serial", id="s0", chardev="c0")

    script = ["usb 0403:6001", gadget_case("replugged", "IDS=0403:6001 ROUNDS=5")]
    console = machine.boot(script, ["-device", "qemu-xhci", "-chardev", f"file,id=c0,path={output}",
                                    "-device", "usb-serial,chardev=c0,id=s0"], host)
    return check_console(console, script)


CASES = [
    ("USB classes: storage, isochronous audio, usbfs without room", usb_classes),
    ("gadgets: our own, Loopback, SourceSink, at high and super speed", gadgets),
    ("QEMU's adapter pulled out and plugged in, in mid-stream", pulled_out),
    ("dextd: a gadget that is plugged in, pulled out and plugged in again", hot_plug),
    ("FTDI adapter, 1 byte", send_through_ftdi, 1),
    ("FTDI adapter, a page and 1 byte", send_through_ftdi, 4097),
    ("FTDI adapter, 8 MiB", send_through_ftdi, 8 * MIB),
]


def main():
    build = os.path.abspath(sys.argv[1])
    print(f"1..{len(CASES)}", flush=True)
    failed = cases = 0
    with tempfile.TemporaryDirectory(prefix="opendext-vm-") as work:
        machine = Machine(work, build)
        for number, (name, function, *arguments) in enumerate(CASES, 1):
            try:
                cases += function(machine, *arguments) or 1
                print(f"ok {number} {name}", flush=True)
            except AssertionError as error:
                failed += 1
                print("\n".join("# " + line for line in str(error).splitlines()))
                print(f"not ok {number} {name}", flush=True)
    print(f"# {cases} cases", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
