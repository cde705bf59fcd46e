# SPDX-License-Identifier: Apache-2.0
"""Which points there are: calls of what can fail, in the objects of the runtime, by their source lines."""
import os
import re
import subprocess

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
           "dprintf readdir readlink realpath getpwnam getpwuid getgrnam libusb_claim_interface "
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
    "EAGAIN": "mmap sendmsg",
    "ECONNREFUSED": "connect",
    "EPERM": "fcntl syscall ioctl madvise getsockopt",
    "EINVAL": "memfd_create",
    "ENOMEM": "socket socketpair eventfd memfd_create timerfd_create poll ftruncate",
}
# What cannot fail as it is used here: it looks at memory, or at what the process is.
CANNOT = set("""
__assert_fail __cxa_finalize __errno_location __isoc99_sscanf __libc_start_main __register_atfork __tls_get_addr _exit
_Block_copy _Block_release XXH3_64bits_digest XXH3_64bits_reset XXH3_64bits_update XXH3_freeState abort alarm backtrace
backtrace_symbols_fd basename clock_gettime closedir dirfd dl_iterate_phdr dladdr dlclose dlerror dlsym feof ferror fileno
free geteuid getopt_long getpid getppid getrlimit getrlimit64 gettid host_run_take libusb_close libusb_error_name libusb_exit
libusb_free_pollfds libusb_free_transfer libusb_get_device libusb_get_device_address libusb_get_device_speed
libusb_pollfds_handle_timeouts libusb_set_pollfd_notifiers memchr memcmp memcpy memmem memmove memrchr memset
plist_array_append_item plist_array_get_size plist_array_next_item plist_dict_get_size plist_dict_next_item
plist_dict_set_item plist_free plist_get_bool_val plist_get_data_ptr plist_get_date_val plist_get_node_type
plist_get_real_val plist_get_string_ptr plist_get_uint_val plist_to_bin_free plist_mem_free pthread_attr_destroy
pthread_attr_init pthread_attr_setdetachstate pthread_attr_setstacksize pthread_cond_broadcast pthread_cond_destroy
pthread_cond_init pthread_cond_signal pthread_cond_timedwait pthread_cond_wait pthread_condattr_destroy
pthread_condattr_init pthread_condattr_setclock pthread_getspecific pthread_join pthread_kill pthread_mutex_destroy
pthread_mutex_init pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_once pthread_self
pthread_setcancelstate pthread_sigmask qsort raise seccomp_release seccomp_syscall_resolve_name secure_getenv sem_init
sem_post sem_trywait sigabbrev_np sigaction sigaddset sigdelset sigemptyset sigfillset sigismember signal sigpending
sigprocmask snprintf strcasecmp strchr strcmp strcpy strcspn strerror strerror_r strlen strncmp strnlen strrchr strsep
strspn strstr strtod strtol strtoll strtoul strtoull sysconf timerfd_settime vfprintf vsnprintf
""".split())

# Likewise, by their names: text and memory, locks of this process, and calls among our own libraries.
HARMLESS = re.compile(r"(?:str(?!dup|ndup)|mem(?!fd|align)|is[a-z]+$|to(?:upper|lower)$|sig\w+set$|sigismember$|"
                      r"__ctype_\w+_loc$|pthread_(?:mutex|cond|rwlock|attr|condattr|mutexattr)_|"
                      r"CF|IO|OS|dispatch_|mach_|dext_|os_|host_|main$)")

MODULES = ["src/libiokit.so", "src/libdriverkit.so", "cmd/dextd", "cmd/dext-host"]
OURS = re.compile(r"(?:^|/)((?:src|cmd/dextd|cmd/dext-host|cmd/program)[/.].*)$")
CALL = re.compile(r"^\s*([0-9a-f]+):\s+(call|jmp)\s+(?:[0-9a-f]+ <(\w+)@plt>|\*0x[0-9a-f]+\(%rip\).*<(\w+)@[\w.]+>)$")
ADDRESS = re.compile(r"^\s*([0-9a-f]+):\s")


def errors_of(function):
    import errno
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


def existing(build):
    """All points by name, and the functions that are in none of the lists."""
    points, unknown = {}, set()
    for module, path in enumerate(MODULES):
        path = os.path.join(build, path)
        # Only what comes from elsewhere: calls among our own libraries are no points.
        calls = list(calls_of(path))
        for (at, back, function), line in zip(calls, lines_of(path, [call[0] for call in calls])):
            ours = OURS.search(line.split(" (")[0])
            function = plain(function)
            if not errors_of(function):
                if function not in CANNOT and not HARMLESS.match(function):
                    unknown.add(function)
                continue
            if ours is None:
                raise SystemExit(f"{path}+{at:x}: {function} is called at {line}; build with -Dfaults=true")
            name = f"{os.path.normpath(ours.group(1))}:{function}"
            points.setdefault(name, Point(os.path.normpath(ours.group(1)), function)).places.add((module, back))
    return points, unknown
