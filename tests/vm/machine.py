# SPDX-License-Identifier: Apache-2.0
"""The virtual machine: Debian's kernel in QEMU, the installed programs in its root file system, and a script that
process 1 (init.c) carries out."""
import hashlib
import json
import os
import plistlib
import re
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# What every boot loads, and the parameters; a case names what it needs beside it.
MODULES = {"xhci_pci": "", "dummy_hcd": "is_super_speed=1", "usb_f_ss_lb": "", "usb_f_fs": ""}
BOOT_SECONDS = 240
# The kernel's tests of its own ciphers, of which nobody here has any use, do not always end in emulation.
KERNEL_OPTIONS = "console=ttyS0 quiet mitigations=off nokaslr panic=-1 oops=panic cryptomgr.notests=1"
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
        for entry in os.scandir(os.path.join(self.build, "tests/vm")):
            if entry.is_file() and entry.name.startswith("vm-") and os.access(entry.path, os.X_OK):
                self.copy(entry.path, "bin/" + entry.name)
        self.copy(os.path.join(HERE, "steps.sh"), "steps.sh")
        self.copy_libraries()

    def bundle(self, name):
        """Where an installed bundle is, as the machine sees it."""
        for folder, _, _ in os.walk(os.path.join(self.root, "usr/local")):
            if folder.endswith(f"/{name}.dext"):
                return folder[len(self.root):]
        return fail(f"{name}.dext is not installed")

    def make_bundle(self, name, matches):
        """A folder of bundles with one in it, which is bulkstream for other devices: keys of personalities."""
        own = self.root + self.bundle("bulkstream")
        made = os.path.join(self.root, "bundles", name, name + ".dext")
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(own, made)
        with open(os.path.join(made, "Info.plist"), "rb") as file:
            info = plistlib.load(file)
        usual = info["IOKitPersonalities"]["VirtualSink"]
        del usual["BulkStreamRequests"]
        identifier = "org.opendext.test." + name
        info["CFBundleIdentifier"] = identifier
        info["IOKitPersonalities"] = {
            f"P{number}": {**usual, "CFBundleIdentifier": identifier, "IOUserServerName": identifier, **keys}
            for number, keys in enumerate(matches)}
        with open(os.path.join(made, "Info.plist"), "wb") as file:
            plistlib.dump(info, file)
        return f"/bundles/{name}"

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

    def choose_modules(self, modules):
        order = []
        for module in modules:
            shown = subprocess.run(["modprobe", "-d", os.path.join(self.cache, "modules"),
                                    "-S", self.version, "--show-depends", module],
                                   capture_output=True, text=True, check=True).stdout
            order += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
        with open(os.path.join(self.root, "modules/order"), "w", encoding="ascii") as file:
            for path in dict.fromkeys(order):
                self.copy(path, "modules/" + os.path.basename(path))
                name = os.path.basename(path)
                parameters = modules.get(name.split(".")[0], "")
                file.write(f"/modules/{name} {parameters}".rstrip() + "\n")

    def boot(self, script, devices, host=None, modules=None, seconds=BOOT_SECONDS, options=""):
        """Runs the script in a fresh machine; returns its console. host: called with what a program inside asks for
        by a line "vm: host WORD", and with a Monitor of QEMU. modules: as in MODULES, added to those or in their
        place. options: more of them for the kernel."""
        self.choose_modules({**MODULES, **(modules or {})})
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
                   "-append", f"{KERNEL_OPTIONS} {options}", *devices]
        monitor = os.path.join(self.work, "monitor")
        command += ["-qmp", f"unix:{monitor},server=on,wait=off"]
        console, link = [], None
        with subprocess.Popen(["timeout", "-k", "5", str(seconds), *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as done:
            for line in done.stdout:
                console.append(line)
                if host and (asked := re.match(r"vm: host (\w+)", line)):
                    try:
                        link = link or Monitor(monitor)
                        host(asked[1], link)
                    except (AssertionError, EOFError, OSError) as error:
                        # The rest of the console says why.
                        console.append(f"vm: host {asked[1]}: {error}\n")
        console = "".join(console)
        if done.returncode % 2 == 0:
            broken = re.search(r"^.*(BUG:|Oops|general protection|kernel NULL).*", console, re.MULTILINE)
            last = console[broken.start():][:6000] if broken else console[-4000:]
            fail(f"the machine ended with {done.returncode}:\n{last}")
        return console


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.events = []
        self.run("qmp_capabilities")

    def run(self, name, **arguments):
        self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while not ("return" in (answer := self.read()) or "error" in answer):
            self.events.append(answer)
        if "error" in answer:
            fail(f"QEMU: {name}: {answer['error']}")

    def unplug(self, device):
        """Until QEMU has let go of it, of which it tells before the answer or after it."""
        self.events.clear()
        self.run("device_del", id=device)
        while not any(event.get("event") == "DEVICE_DELETED" and event["data"].get("device") == device
                      for event in self.events):
            self.events.append(self.read())

    def read(self):
        line = self.lines.readline()
        if not line:
            raise EOFError("QEMU has ended")
        return json.loads(line)
