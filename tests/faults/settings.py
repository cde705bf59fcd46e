# SPDX-License-Identifier: Apache-2.0
"""What scenarios need: drivers, options of dextd, and a machine that has what they are about."""
import fcntl
import os
import struct
import subprocess


class Setting:
    hosts = 0  # drivers that start by themselves
    options = ()
    sandbox = "best"
    stand_ins = ()  # libraries behind the shim
    settles = True  # whether the same processes stay
    user = None  # of the app, if it is another one
    rounds = 3  # that an app can have with one registry

    def __init__(self, *bundles):
        self.bundles = bundles

    def prepare(self, scene):
        """Before dextd is started for the first time."""


class Plain(Setting):
    hosts = 3


class Virtual(Setting):
    options = ("--allow-virtual",)


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


class Usb(Setting):
    """A device in sysfs and usbfs, with libusb's (fake_usb.c) behind it; its host can see /sys."""
    hosts = 1
    sandbox = "off"
    stand_ins = ("places",)
    settles = False

    def prepare(self, scene):
        """The loopback device of dext_virtual.h."""
        def endpoint(address, kind):
            return struct.pack("<BBBBHB", 7, 5, address, kind, 512 if kind == 2 else 64, int(kind != 2))
        settings = [(number, kind) for number, kind in enumerate((2, 2, 1, 3))]
        interface = b"".join(struct.pack("<9B", 9, 4, 0, number, 2, 0xff, 0, 0, 0)
                             + endpoint(1, kind) + endpoint(0x81, kind) for number, kind in settings)
        device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0, 0, 0, 64, 0x1209, 0x0d03, 0x0100, 1, 2, 3, 1)
        configuration = struct.pack("<BBHBBBBB", 9, 2, 9 + len(interface), 1, 1, 0, 0x80, 50) + interface
        root = os.path.join(scene.folder, "places")
        write(f"{root}/dev/bus/usb/001/002", device + configuration)
        attributes = {"busnum": "1", "devnum": "2", "bDeviceClass": "00", "bConfigurationValue": "1", "devpath": "1",
                      "speed": "480", "manufacturer": "OpenDext", "product": "stand-in", "serial": "1"}
        for name, value in attributes.items():
            write(f"{root}/sys/bus/usb/devices/1-1/{name}", value + "\n")
            # Of a file that is no device: its number is 0.
            write(f"{root}/sys/dev/char/0:0/{name}", value + "\n")
        write(f"{root}/sys/module/usbcore/parameters/usbfs_memory_mb", "16\n")


class UsbOnce(Usb):
    """The driver is not to be used again."""
    rounds = 1


class UsbKept(Usb):
    """And the registry is killed."""
    options = ("--keep-hosts", "100")


class Pci(Setting):
    """QEMU's ivshmem-plain; its memory is a memfd of this process, which apps accept for its seals."""
    hosts = 1
    size = 1 << 20

    def prepare(self, scene):
        root = os.path.join(scene.folder, "pci", "0000:00:04.0")
        texts = {"vendor": "0x1af4", "device": "0x1110", "class": "0x050000", "revision": "0x01",
                 "subsystem_vendor": "0x1af4", "subsystem_device": "0x1100"}
        for name, text in texts.items():
            write(f"{root}/{name}", text + "\n")
        write(f"{root}/config", bytes([0xf4, 0x1a, 0x10, 0x11, 5]) + bytes(59))
        none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        write(f"{root}/resource", "0x00000000febd1000 0x00000000febd10ff 0x0000000000040200\n" + none
              + f"0x00000000fe000000 0x{0xfe000000 + self.size - 1:016x} 0x000000000014220c\n" + none
              + "0x000000000000c000 0x000000000000c03f 0x0000000000040101\n" + none)
        self.memory(scene, root)

    def memory(self, scene, root):
        memory = os.memfd_create("bar", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        scene.held_fds.append(memory)
        os.ftruncate(memory, self.size)
        os.pwrite(memory, b"from the device", 0)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        # dextd may look at the descriptors of a process that may do nothing that it may not.
        holder = subprocess.Popen(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "sh", "-c",
                                   "echo; exec sleep infinity >/dev/null"], stdout=subprocess.PIPE, pass_fds=[memory])
        scene.helpers.append(holder)
        with holder.stdout as ready:
            ready.readline()
        os.symlink(f"/proc/{holder.pid}/fd/{memory}", f"{root}/resource2")


class Users(Setting):
    """The app is nobody; who may open what is said by names, groups and seats."""
    hosts = 2
    stand_ins = ("places",)
    user = 65534

    def prepare(self, scene):
        write(os.path.join(scene.folder, "access"), "# of the fault injection\n* everyone\n"
              "org.opendext.test.echo user:daemon group:daemon seat\norg.opendext.test.queues user:daemon\n")
        write(os.path.join(scene.folder, "places/run/systemd/seats/seat0"), f"IS_SEAT0=1\nACTIVE_UID={self.user}\n")


class Limits(Setting):
    """A control group that is delegated, with what an earlier registry has left there."""
    hosts = 1
    stand_ins = ("places",)
    options = ("--memory-max", "512M")

    def prepare(self, scene):
        root = os.path.join(scene.folder, "places")
        write(f"{root}/proc/self/cgroup", "0::/own/registry\n")
        write(f"{root}/sys/fs/cgroup/own/cgroup.controllers", "cpu memory\n")
        write(f"{root}/sys/fs/cgroup/own/host-1/cgroup.procs", "")
        os.mkdir(f"{root}/sys/fs/cgroup/own/host-2")


class PciFile(Pci):
    """And its memory is a file that has no seals, as sysfs has it; places.c says that it is of sysfs."""
    stand_ins = ("places",)

    def memory(self, scene, root):
        write(f"{root}/resource2", b"from the device" + bytes(self.size - 15))


class Older(Setting):
    """Another kernel and C library (older.c)."""
    hosts = 1
    stand_ins = ("older",)
    sandbox = "off"
    options = ("--allow-virtual",)


class Hangs(Setting):
    """Methods are told of soon, and a thread's stack comes late (slow.c)."""
    hosts = 1
    stand_ins = ("slow",)

    def prepare(self, scene):
        scene.add_key("echo.dext", "DextMethodMilliseconds", 50)


class Crash(Setting):
    """The driver crashes, which is not taken for a failure."""
    hosts = 1
    settles = False


class Once(Crash):
    """The service ends itself, and is not started again."""
    rounds = 1


class Kept(Setting):
    """The registry is killed and gets its descriptors back, as from systemd."""
    hosts = 1
    settles = False
    options = ("--keep-hosts", "100")


ECHO, QUEUES = "tests/integ/drivers/echo/echo.dext", "tests/integ/drivers/queues/queues.dext"
WORKER = "tests/faults/drivers/worker/worker.dext"
SETTINGS = {
    "plain": Plain(ECHO, QUEUES, "examples/ring_submit/ring_submit.dext"),
    "virtual": Virtual(WORKER),
    "usb_kept": UsbKept(WORKER),
    "usb_once": UsbOnce(WORKER),
    "usb": Usb(WORKER),
    "users": Users(ECHO, QUEUES),
    "limits": Limits(ECHO),
    "crash": Crash(ECHO),
    "once": Once(ECHO),
    "kept": Kept(ECHO),
    "pci": Pci("examples/pci_memory/pci_memory.dext"),
    "pci_file": PciFile("examples/pci_memory/pci_memory.dext"),
    "older": Older(ECHO, WORKER),
    "hangs": Hangs(ECHO),
}
