# SPDX-License-Identifier: Apache-2.0
"""A registry with the test drivers, the page that its processes share (page.h), and the app of one run."""
import collections
import mmap
import os
import plistlib
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

MAGIC, SLOTS, LIVE, TEXT, MODULES = 0x46415550, 32, 16384, 1 << 20, 4
HEAD = struct.Struct("=IIII")  # as struct faults_page begins
FAULT = struct.Struct("=iiQqIi")  # struct faults_fault
FAULTS = 3
SLOT_AT, SLOT_SIZE, SLOT_HEAD = 4096, 24 + 16 * LIVE, struct.Struct("=iiIIII")
COUNTS_AT = SLOT_AT + SLOTS * SLOT_SIZE
SIZE = COUNTS_AT + MODULES * TEXT * 4
CANNOT = 0x80000000
HOST = 3  # the module
DEADLINE = 100
# Becomes dextd, whose descriptors are from 3 on, as systemd does it.
HAND_OVER = """import fcntl, os, sys
away = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 500) for fd in sys.argv[2].split()]
for number, fd in enumerate(away):
    os.dup2(fd, 3 + number)
os.closerange(3 + len(away), 1000)
os.environ.update(LD_PRELOAD=sys.argv[1], LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])"""


class Page:
    same = {}  # {place: another of the same line}, since the compiler makes several of one

    def __init__(self, folder):
        self.path = os.path.join(folder, "page")
        with open(self.path, "wb") as file:
            file.truncate(SIZE)
        os.chmod(self.path, 0o666)
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)
        self.arm()

    def arm(self, *faults, records=False):
        """What fails: (place, execution, errno) each."""
        HEAD.pack_into(self.map, 0, MAGIC, int(records), self.slots(), 0)
        for number in range(FAULTS):
            (module, offset), execution, error = faults[number] if number < len(faults) else ((-1, 0), 1, 0)
            FAULT.pack_into(self.map, HEAD.size + number * FAULT.size, module, error, offset, execution, 0, 0)

    def slots(self):
        return HEAD.unpack_from(self.map, 0)[2]

    def fired(self):
        """How often each has failed."""
        return [FAULT.unpack_from(self.map, HEAD.size + number * FAULT.size)[4] for number in range(FAULTS)]

    def fired_pids(self):
        return [FAULT.unpack_from(self.map, HEAD.size + number * FAULT.size)[5] for number in range(FAULTS)]

    def passed(self, places):
        """{place: executions} of those that somebody came by; CANNOT as in counts()."""
        found = {(module, offset): struct.unpack_from("=I", self.map, COUNTS_AT + (module * TEXT + offset) * 4)[0]
                 for module, offset in places}
        return {place: count for place, count in found.items() if count != 0}

    def counts(self):
        """{(module, offset): executions}; CANNOT where it was used so that it cannot fail."""
        found = {}
        for module in range(MODULES):
            raw = self.map[COUNTS_AT + module * TEXT * 4:COUNTS_AT + (module + 1) * TEXT * 4]
            for at in re.finditer(rb"[^\0]", raw):
                offset = at.start() // 4
                found[module, offset] = struct.unpack_from("=I", raw, offset * 4)[0]
        return found

    def live(self, pid):
        """{(module, offset): allocations that are not freed} of a process."""
        found = collections.Counter()
        for slot in range(min(self.slots(), SLOTS)):
            at = SLOT_AT + slot * SLOT_SIZE
            if SLOT_HEAD.unpack_from(self.map, at)[0] != pid:
                continue
            raw = self.map[at + SLOT_HEAD.size:at + SLOT_SIZE]
            for _, place in filter(lambda entry: entry[0] != 0, struct.iter_unpack("=QQ", raw)):
                place = place >> 32, place & 0xffffffff
                found[self.same.get(place, place)] += 1
        return found

    def forget(self, slots):
        """The slots of processes after the first so many; they have ended."""
        for slot in range(slots, min(self.slots(), SLOTS)):
            at = SLOT_AT + slot * SLOT_SIZE
            self.map[at:at + SLOT_SIZE] = bytes(SLOT_SIZE)
        struct.pack_into("=I", self.map, 8, slots)

    def hosts(self):
        """Processes that have said so."""
        heads = [SLOT_HEAD.unpack_from(self.map, SLOT_AT + slot * SLOT_SIZE)
                 for slot in range(min(self.slots(), SLOTS))]
        return [pid for pid, module, *_ in heads if module == HOST]

    def close(self):
        self.map.close()


class Held:
    """What a process holds: descriptors by kind, mappings of memfds, allocations by place."""

    def __init__(self, page, pid):
        self.live = page.live(pid)
        self.fds, self.maps = collections.Counter(), 0
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    self.fds[re.sub(r"\d+", "N", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
                except FileNotFoundError:
                    pass  # closed meanwhile
            with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
                self.maps = sum("/memfd:" in line for line in file)
        except OSError:
            pass

    def add(self, other):
        self.live += other.live
        self.fds += other.fds
        self.maps += other.maps

    def beyond(self, other):
        """What is more than there."""
        fds, live = self.fds - other.fds, self.live - other.live
        # One socket in the place of another is none too many.
        more = sum(self.fds.values()) > sum(other.fds.values())
        return [f"{count} descriptors {kind}" for kind, count in fds.items() if more] + \
            ([f"{self.maps - other.maps} mappings"] if self.maps > other.maps else []) + \
            [(place, count) for place, count in live.items()]


class Log:
    """What all that were given its pipe have written."""

    def __init__(self):
        self.text, self.changed, self.threads = "", threading.Condition(), []

    def open(self):
        """A descriptor for a process to write to, which the caller closes."""
        ours, theirs = os.pipe()
        self.threads.append(threading.Thread(target=self.read, args=(ours,), daemon=True))
        self.threads[-1].start()
        return theirs

    def read(self, fd):
        with open(fd, encoding="utf-8", errors="replace") as file:
            for line in file:
                with self.changed:
                    self.text += line
                    self.changed.notify_all()

    def await_lines(self, part, count):
        """Until there are so many with that in them; False: there are not."""
        with self.changed:
            return self.changed.wait_for(lambda: self.text.count(part) >= count, DEADLINE)

    def ended(self):
        """Who wrote has ended: all of it is here, then."""
        for thread in self.threads:
            thread.join(DEADLINE)
        return self.text


class Scene:
    def __init__(self, build, setting):
        self.build, self.setting = build, setting
        self.folder = tempfile.mkdtemp(prefix="opendext-faults-")
        os.chmod(self.folder, 0o755)
        self.page = Page(self.folder)
        self.lines = Log()
        os.mkdir(os.path.join(self.folder, "bundles"))
        for bundle in setting.bundles:
            self.take(os.path.join(build, bundle))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(os.path.join(self.folder, "notify"))
        self.notify.settimeout(DEADLINE)
        self.environment = {
            **os.environ,
            "LD_PRELOAD": ":".join(os.path.join(build, "tests/faults", name) for name in
                                   ["libfaults.so"] + [f"libfaults-{each}.so" for each in setting.stand_ins]),
            "FAULTS_FILE": self.page.path, "FAULTS_DEXT": os.path.join(build, "cmd/dext"),
            "FAULTS_BUILD": build, "FAULTS_BUNDLES": os.path.join(self.folder, "bundles"),
            "OPENDEXT_RUNTIME_DIR": os.path.join(self.folder, "run"),
            "NOTIFY_SOCKET": os.path.join(self.folder, "notify"), "MALLOC_PERTURB_": "165", "OPENDEXT_LOG": "debug",
        }
        if "places" in setting.stand_ins:
            self.environment["FAULTS_PLACES"] = os.path.join(self.folder, "places")
        self.held_fds, self.helpers = [], []  # what the setting has made, until the end
        setting.prepare(self)
        self.dextd, self.store = None, []  # (name, descriptor) that dextd has stored

    def take(self, bundle):
        """A copy, of a category of its own: so that all of them can have the same provider."""
        name = os.path.basename(bundle)
        shutil.copytree(bundle, os.path.join(self.folder, "bundles", name))
        self.add_key(name, "IOMatchCategory", name)

    def add_key(self, bundle, key, value):
        """To each personality of a bundle."""
        with open(os.path.join(self.folder, "bundles", bundle, "Info.plist"), "r+b") as file:
            properties = plistlib.load(file)
            for personality in properties["IOKitPersonalities"].values():
                personality[key] = value
            file.seek(0)
            file.truncate()
            plistlib.dump(properties, file)

    def start(self):
        """Starts dextd; whether it got ready, or else what it ended with."""
        command = [os.path.join(self.build, "cmd/dextd"), "--bundles", os.path.join(self.folder, "bundles"),
                   "--bundles", os.path.join(self.folder, "none/bundles"), "--access",
                   os.path.join(self.folder, "access"), "--pci-devices", os.path.join(self.folder, "pci"),
                   f"--sandbox={self.setting.sandbox}", *self.setting.options]
        environment, fds = self.environment, [fd for _, fd in self.store]
        if fds:
            environment = {**environment, "LISTEN_FDS": str(len(fds)),
                           "LISTEN_FDNAMES": ":".join(name for name, _ in self.store)}
            preload = environment.pop("LD_PRELOAD")
            command = [sys.executable, "-c", HAND_OVER, preload, " ".join(map(str, fds)), *command]
        log = self.lines.open()
        self.dextd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds,
                                      env=environment)
        os.close(log)
        return self.await_ready()

    def await_ready(self):
        end, pidfd = time.monotonic() + DEADLINE, os.pidfd_open(self.dextd.pid)
        with open(pidfd, "rb"), selectors.DefaultSelector() as selector:
            selector.register(self.notify, selectors.EVENT_READ)
            selector.register(pidfd, selectors.EVENT_READ)
            while time.monotonic() < end:
                ready = [key.fileobj for key, _ in selector.select(end - time.monotonic())]
                if self.notify in ready:
                    if self.hear() == b"READY=1":
                        return True
                elif ready:
                    return False
        raise Failure("dextd does not get ready")

    def hear(self):
        """What dextd tells systemd, whose store of descriptors this is."""
        text, fds, _, _ = socket.recv_fds(self.notify, 4096, 16)
        lines = dict(line.split("=", 1) for line in text.decode().splitlines())
        name = lines.get("FDNAME", "")
        if lines.get("FDSTORE") == "1":
            self.store += [(name, fd) for fd in fds]
            fds = []
        if lines.get("FDSTOREREMOVE") == "1":
            fds += [fd for other, fd in self.store if other == name]
            self.store = [(other, fd) for other, fd in self.store if other != name]
        for fd in fds:
            os.close(fd)
        return text

    def restart(self):
        """Kills dextd and starts another with what it has stored; whether that got ready."""
        self.dextd.kill()
        self.dextd.wait()
        self.notify.setblocking(False)
        try:
            while True:
                self.hear()
        except BlockingIOError:
            pass
        return self.start()

    def forget(self):
        """Those that have come since the registry and its drivers."""
        self.page.forget(1 + self.setting.hosts)

    def await_hosts(self):
        """Until each is known to the registry."""
        if not self.lines.await_lines(" was published", self.setting.hosts):
            raise Failure("the drivers are not started:\n" + self.log())

    def hosts(self):
        with open(f"/proc/{self.dextd.pid}/task/{self.dextd.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def held(self):
        return [Held(self.page, pid) for pid in [self.dextd.pid] + self.hosts()]

    def held_by_kind(self):
        """What the registry holds, and what all hosts together do."""
        hosts = Held(self.page, None)
        for pid in self.hosts():
            hosts.add(Held(self.page, pid))
        return [Held(self.page, self.dextd.pid), hosts]

    def settle(self):
        """What the registry and the hosts hold when nothing changes any more: of that there is no event."""
        now = self.held()
        for _ in range(100):
            time.sleep(0.02)
            before, now = now, self.held()
            if [(held.live, held.fds) for held in now] == [(held.live, held.fds) for held in before]:
                break
        return now

    def stop(self):
        """Its exit status."""
        if self.dextd.poll() is None:
            self.dextd.send_signal(signal.SIGTERM)
        try:
            return self.dextd.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.dextd.kill()
            self.dextd.wait()
            raise Failure("dextd does not end") from None

    def ended_well(self):
        """What is wrong with how dextd has ended: that has to be an exit with a line that says why."""
        status = self.dextd.wait()
        if status < 0 or status > 126:
            return [f"dextd ended with {status}:\n{self.log()[-3000:]}"]
        if not re.search(r"^dextd: \S", self.log(), re.MULTILINE):
            return [f"dextd ended with {status} and did not say why"]
        return []

    def log(self):
        return self.lines.text if self.dextd.poll() is None else self.lines.ended()

    def app(self, scenario, rounds):
        return App(self, scenario, rounds)

    def close(self):
        if self.dextd is not None and self.dextd.poll() is None:
            self.dextd.kill()
            self.dextd.wait()
        for pid in self.page.hosts():  # those that outlive it
            if f"FAULTS_FILE={self.page.path}" in environment_of(pid):
                os.kill(pid, signal.SIGKILL)
        self.notify.close()
        self.page.close()
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        for fd in self.held_fds + [fd for _, fd in self.store]:
            os.close(fd)
        shutil.rmtree(self.folder, ignore_errors=True)


def environment_of(pid):
    try:
        with open(f"/proc/{pid}/environ", encoding="utf-8", errors="replace") as file:
            return file.read().split("\0")
    except OSError:
        return []


class Failure(Exception):
    pass


class App:
    """Runs to the line "done" and stays until it is let go."""

    def __init__(self, scene, scenario, rounds):
        self.scene, user = scene, scene.setting.user
        self.errors = tempfile.TemporaryFile(mode="w+", errors="replace")
        self.process = subprocess.Popen([os.path.join(scene.build, "tests/faults/faults-app"), scenario, str(rounds)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        env=scene.environment, user=user, group=user,
                                        extra_groups=[] if user is not None else None)
        self.lines = []

    def run(self):
        """The lines up to "done"."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            end, text = time.monotonic() + DEADLINE, ""
            os.set_blocking(self.process.stdout.fileno(), False)
            while "done\n" not in text:
                if not selector.select(max(0, end - time.monotonic())):
                    raise Failure("the app hangs" + self.stack())
                more = os.read(self.process.stdout.fileno(), 4096).decode(errors="replace")
                if more == "":
                    break
                text += more
                if more.endswith("restart\n"):
                    text = text[:-len("restart\n")]
                    self.restart()
        self.lines = text.splitlines()
        return self.lines

    def restart(self):
        """What the app has asked for; a registry that a fault ends says why, and the next one starts."""
        if not self.scene.restart():
            problems = self.scene.ended_well()
            if problems or not self.scene.start():
                raise Failure("\n".join(problems or ["dextd does not start again"]))
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stack(self):
        done = subprocess.run(["gdb", "-p", str(self.process.pid), "-batch", "-ex", "thread apply all bt 12"],
                              capture_output=True, text=True, check=False) if shutil.which("gdb") else None
        return "\n" + done.stdout[-4000:] if done is not None else ""

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failure("the app does not end" + self.stack()) from None
        finally:
            self.process.kill()
            self.process.stdout.close()

    def said(self):
        self.errors.seek(0)
        return self.errors.read()
