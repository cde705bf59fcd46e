#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which points there are: calls of what can fail, in the objects of the runtime, by their source lines.

usage: points.py BUILD: fails if the objects call a function that is not known here, and says what to add.
"""
import collections
import errno
import os
import re
import subprocess
import sys

# What each call fails with; the first one is what happens when there is none left of something.
ERRORS = {
    "ENOMEM": "malloc calloc realloc reallocarray strdup strndup asprintf aligned_alloc open_memstream fdopen mmap munmap "
              "mremap mprotect madvise seccomp_init seccomp_load seccomp_rule_add seccomp_rule_add_array "
              "XXH3_createState libusb_alloc_transfer libusb_init libusb_wrap_sys_device libusb_submit_transfer "
              "libusb_get_pollfds plist_new_dict plist_new_array plist_new_string plist_new_bool plist_new_uint "
              "plist_new_real plist_new_data plist_new_date plist_to_xml plist_to_bin plist_from_xml plist_from_bin "
              "plist_dict_new_iter plist_array_new_iter pthread_getattr_np pthread_setspecific epoll_ctl getsockopt recvmsg "
              "recv",
    "EMFILE": "memfd_create fcntl open fopen opendir dup2 pipe2 eventfd signalfd timerfd_create inotify_init1 "
              "epoll_create1 socket socketpair accept4 pidfd_open",
    "ENOSPC": "ftruncate fallocate pwrite mkdir inotify_add_watch",
    "EIO": "read write pread lseek fstat fstatfs statfs ioctl close fclose fgets fscanf fputs fputc fwrite fprintf "
           "vfprintf dprintf readdir readlink realpath getpwnam getpwuid getgrnam libusb_claim_interface "
           "libusb_release_interface libusb_clear_halt libusb_set_configuration libusb_get_configuration "
           "libusb_set_interface_alt_setting libusb_cancel_transfer libusb_handle_events_timeout libusb_set_option",
    "EINTR": "epoll_wait poll nanosleep clock_nanosleep sem_clockwait sigtimedwait",
    "EPERM": "sigaltstack prctl setpgid chmod setrlimit",
    "ESRCH": "kill pidfd_send_signal",
    "EACCES": "stat fstatat access execv dlopen unlink unlinkat rmdir",
    "EAGAIN": "fork pthread_create pthread_key_create connect",
    "ENOBUFS": "sendmsg send setsockopt",
    "ENOTCONN": "shutdown",
    "EADDRINUSE": "bind listen",
    "EWOULDBLOCK": "flock",
    "ECHILD": "waitpid waitid",
    "ENOSYS": "syscall sched_getcpu getrandom",
}
# And these with another one, too.
ALSO = {
    "EINTR": "read write recvmsg sendmsg recv send connect accept4",
    "EAGAIN": "mmap sendmsg recvmsg ioctl",
    "EPIPE": "write",
    "ECONNREFUSED": "connect",
    "EPERM": "fcntl syscall ioctl madvise getsockopt",
    "EINVAL": "memfd_create",
    "ENOMEM": "socket socketpair eventfd memfd_create timerfd_create poll ftruncate",
}
# What cannot fail as it is used here, by what it is about. All else that the objects call is a point, and has a row above.
CANNOT = re.compile("|".join(r"""
str(?!n?dup$)\w+ mem(?!fd|align)\w+ v?snprintf __isoc\d\d_sscanf __ctype_\w+_loc qsort basename free
dladdr dlerror dlsym dl_iterate_phdr backtrace\w*
get(?:pid|ppid|tid|euid|rlimit(?:64)?|opt_long) secure_getenv sysconf clock_gettime __errno_location __tls_get_addr
pthread_(?:mutex|cond|rwlock|attr|condattr|mutexattr)_\w+ pthread_(?:getspecific|join|kill|once|self|setcancelstate|sigmask)
sem_(?:init|post|trywait) sig\w+set sigismember sig(?:action|nal|pending|procmask|abbrev_np) raise alarm timerfd_settime
abort _exit __assert_fail __cxa_finalize __libc_start_main __register_atfork
closedir dlclose dirfd fileno feof ferror
_Block_(?:copy|release) XXH3_64bits_\w+ XXH3_freeState seccomp_release seccomp_syscall_resolve_name
libusb_(?:close|exit|error_name|free_\w+|get_device\w*|pollfds_handle_timeouts|set_pollfd_notifiers)
plist_(?:get_\w+|free|to_bin_free|mem_free|array_(?:append|get|next)_\w+|dict_(?:get|next|set)_\w+)
(?:CF|IO|OS)[A-Z]\w+ (?:dispatch|mach|dext|os|host)_\w+ main
""".split()))

UNKNOWN = ("{0} is called at {1}, and tests/faults does not know it. If it can fail: its name into a row of ERRORS in "
           "tests/faults/points.py, and a line for it into tests/faults/calls.c. If it cannot as it is used: into CANNOT.")
MISSING = "{0} is called at {1} and can fail, but tests/faults/calls.c has nothing that stands before it."
SHIM = "tests/faults/libfaults.so"
MODULES = ["src/libiokit.so", "src/libdriverkit.so", "cmd/dextd", "cmd/dext-host"]
OURS = re.compile(r"(?:^|/)((?:src|cmd/dextd|cmd/dext-host|cmd/program)[/.].*)$")
CALL = re.compile(r"^\s*([0-9a-f]+):\s+(call|jmp)\s+(?:[0-9a-f]+ <(\w+)@plt>|\*0x[0-9a-f]+\(%rip\).*<(\w+)@[\w.]+>)$")
ADDRESS = re.compile(r"^\s*([0-9a-f]+):\s")


def errors_of(function):
    names = [name for name, functions in ERRORS.items() if function in functions.split()]
    names += [name for name, functions in ALSO.items() if function in functions.split()]
    return [getattr(errno, name) for name in names]


def plain(symbol):
    """Without what the C library adds for large files and newer standards."""
    symbol = re.sub(r"^__isoc\d\d_(?=fscanf)", "", symbol)
    return symbol[:-2] if symbol.endswith("64") and errors_of(symbol[:-2]) else symbol


class Point:
    """A line that calls a function; `places` are the return addresses, (module, offset) each."""

    def __init__(self, line, function):
        self.line, self.function, self.places = line, function, set()

    @property
    def name(self):
        return f"{self.line}:{self.function}"


def calls_of(path):
    """(address of the call, return address, function) of each call of another object."""
    text = subprocess.run(["objdump", "-d", "-j", ".text", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    pending = None
    for line in text.stdout.splitlines():
        address = ADDRESS.match(line)
        if address is None:
            continue
        if pending is not None:
            yield pending[0], int(address.group(1), 16), pending[1]
            pending = None
        call = CALL.match(line)
        if call is not None:
            pending = int(call.group(1), 16), call.group(3) or call.group(4), call.group(2)
            if pending[2] == "jmp" and errors_of(plain(pending[1])):
                raise SystemExit(f"{path}: a jump to {pending[1]}; build with -Dfaults=true")


def lines_of(path, addresses):
    done = subprocess.run(["addr2line", "-e", path], input="".join(f"{at:x}\n" for at in addresses),
                          capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def wrapped(build):
    """What the shim stands before."""
    done = subprocess.run(["nm", "-D", "--defined-only", os.path.join(build, SHIM)], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in done.stdout.splitlines()}


def existing(build):
    """All points by name, and what is to be done about functions that are not known: a line for each."""
    points, unknown, missing, shim = {}, collections.defaultdict(set), collections.defaultdict(set), wrapped(build)
    for module, path in enumerate(MODULES):
        path = os.path.join(build, path)
        # Only what comes from elsewhere: calls among our own libraries are no points.
        calls = list(calls_of(path))
        for (at, back, symbol), line in zip(calls, lines_of(path, [call[0] for call in calls])):
            ours = OURS.search(line.split(" (")[0])
            place = os.path.normpath(ours.group(1)) if ours is not None else None
            function = plain(symbol)
            if not errors_of(function):
                if not CANNOT.fullmatch(function):
                    unknown[function].add(place or line)
                continue
            if place is None:
                raise SystemExit(f"{path}+{at:x}: {function} is called at {line}; build with -Dfaults=true")
            if symbol not in shim:
                missing[symbol].add(place)
            points.setdefault(f"{place}:{function}", Point(place, function)).places.add((module, back))
    return points, [UNKNOWN.format(function, ", ".join(sorted(at))) for function, at in sorted(unknown.items())] + \
        [MISSING.format(symbol, ", ".join(sorted(at))) for symbol, at in sorted(missing.items())]


def main():
    points, problems = existing(sys.argv[1])
    print("\n".join([f"{len(points)} points"] + problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
