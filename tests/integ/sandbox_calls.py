#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the sandbox's list of system calls with what hosts call.

usage: sandbox_calls.py src/sandbox/calls.c PROGRAM...

Runs the test programs under strace, looks only at processes that have entered the sandbox, and asserts
that no call of theirs was refused and that each call of the list is used, or stands in SELDOM with a reason.
"""
import os
import re
import subprocess
import sys
import tempfile

# In every host, thousands of times: not traced, so that the programs run at their usual speed.
HOT = {"futex", "epoll_wait", "epoll_ctl", "read", "write", "recvmsg", "sendmsg", "fcntl", "mmap", "munmap",
       "madvise", "close", "rt_sigprocmask"}
SELDOM = {
    "ioctl": "a real device; the vm suite",
    "pipe2": "libusb's events where it has no eventfd",
    "epoll_create1": "the events of a real device; the vm suite",
    "uname": "libusb asks for the kernel's version; the vm suite",
    "timerfd_create": "libusb's timeouts",
    "clock_gettime": "a machine without vdso", "gettimeofday": "a machine without vdso",
    "time": "a machine without vdso", "getcpu": "a machine without vdso",
    "clock_nanosleep": "a driver that sleeps",
    "getrandom": "the C library's heap, by version",
    "lseek": "a driver that reads a file of its bundle", "fstat": "the C library, by version",
    "pread64": "the loader, for objects with a large header",
    "mremap": "a second writable mapping of read-only memory",
    "poll": "a socket that is full",
    "epoll_pwait": "machines without epoll_wait", "ppoll": "machines without poll",
    "prlimit64": "the C library, when a thread's stack is sized",
    "rt_sigtimedwait": "a bell whose reader has gone", "rt_sigpending": "the same",
    "sched_getaffinity": "the C library's heap, and whether spinning makes sense",
    "restart_syscall": "after a debugger has stopped the process",
    "setitimer": "alarm, on machines without it", "alarm": "a method that does not return",
    "rt_sigreturn": "after a fault was explained", "tgkill": "abort", "gettid": "abort",
    "fallocate": "a window that is split off", "pwrite64": "a window that is split off",
    "membarrier": "a driver that rests after 1024 entries of a ring",
    "fstatfs": "memory of an app", "sendto": "by the C library's send",
    "timerfd_settime": "virtual devices with a rate",
}
# Without a meaning for the driver: the C library asks and goes on without an answer.
TOLERATED = [r"/proc/sys/vm/overcommit_memory", r"^clone3\("]


def allowed(path):
    with open(path, encoding="utf-8") as file:
        source = file.read()
    plain = source[source.index("plain_calls[]"):source.index("/* One condition")]
    conditional = source[source.index("conditions[]"):source.index("#define COUNT")]
    return (set(re.findall(r'"(\w+)"', plain)) | set(re.findall(r'\{"(\w+)"', conditional)) | {"tgkill"})


def trace(program, folder):
    """The lines of the processes inside, as (call, line)."""
    output = os.path.join(folder, "trace")
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", output, "-e", "trace=!" + ",".join(sorted(HOT)), program]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print("# " + (result.stdout + result.stderr).replace("\n", "\n# "))
        raise SystemExit(f"not ok 1 - {program} failed under strace")
    inside = set()
    with open(output, encoding="utf-8", errors="replace") as file:
        for line in file:
            process, rest = line.split(maxsplit=1)
            if rest.startswith("seccomp("):
                inside.add(process)
                continue
            if process not in inside:
                continue
            thread = re.search(r"clone\(.*= (\d+)$|<\.\.\. clone resumed.*= (\d+)$", rest)
            if thread:
                inside.add(thread.group(1) or thread.group(2))
            name = re.match(r"(\w+)\(", rest)
            if name:
                yield name.group(1), rest.strip()


def main():
    known = allowed(sys.argv[1])
    used, refused = set(HOT), []
    with tempfile.TemporaryDirectory() as folder:
        for program in sys.argv[2:]:
            for name, line in trace(program, folder):
                used.add(name)
                if re.search(r"= -1 (EPERM|EACCES|ENOSYS)", line) and not any(re.search(p, line) for p in TOLERATED):
                    refused.append(line)
    spare = known - used - set(SELDOM)
    print("1..2")
    print(f"# {len(known)} allowed, {len(known & used)} used here, {len(known - used)} seldom")
    for line in refused:
        print("# refused: " + line)
    print(("not " if refused else "") + "ok 1 - nothing that the runtime calls is refused")
    print(("not " if spare else "") + "ok 2 - nothing is allowed that nobody calls" +
          (": " + " ".join(sorted(spare)) if spare else ""))
    return 1 if refused or spare else 0


if __name__ == "__main__":
    sys.exit(main())
