#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fuzzing: runs targets of tests/fuzz, keeps what they find, measures how much the corpus covers.

	fuzz.py run TARGET SECONDS	TARGET may be all. New inputs go to build/fuzz-corpus, findings to
					build/fuzz-found; executions are added up in build/fuzz-count.
					With --quick without sanitizers, for the number of them
	fuzz.py keep TARGET		inputs that cover what the seeds do not become the corpus
	fuzz.py coverage		lines of each parser that the corpus runs; fails below 95 %
"""
import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORPUS = os.path.join(TOP, "tests", "fuzz", "corpus")
ENOUGH = 95

# What a target is there for: the files that read what comes from outside.
PARSERS = {
    "access": ["registry/policy_rules.c", "registry/policy.c"],
    "bundle": ["registry/bundle.c"],
    "call_page": ["wire/call_page.c", "wire/data_queue.c"],
    "client": ["client/connection.c", "client/handed.c", "client/map.c", "client/question.c",
               "client/ring.c", "client/slots.c", "client/dext_ring.c"],
    "control": ["registry/launch_packets.c", "registry/settings.c", "registry/host_log.c"],
    "host": ["driver/structures.c", "driver/client_memory.c", "driver/calls.c",
             "driver/call_request.c"],
    "matching": ["registry/matching.c"],
    "object": ["registry/bundle_object.c"],
    "packets": ["base/packet.c", "wire/packets.c"],
    "property_list": ["base/plist.c", "base/plist_scan.c", "base/cf_property_list.c"],
    "registry": ["registry/watcher.c", "registry/entries.c", "registry/server.c"],
    "registry_client": ["client/registry.c", "client/events.c", "client/watch.c"],
    "ring": ["wire/shared_ring.c", "queue/ring_source.c"],
    "store": ["registry/store.c", "registry/record.c", "registry/given.c", "registry/adopt.c"],
    "sysfs": ["base/attribute.c", "registry/hotplug.c", "registry/hotplug_pci.c",
              "registry/pci_function.c"],
    "trace": ["wire/trace.c"],
    "usb_descriptors": ["usb/descriptor_parsing.c"],
    "virtual_spec": ["usb/vdev_spec.c"],
}

# Where a file does more than read, the functions of it that do.
FUNCTIONS = {
    "base/packet.c": ["collect", "refuse", "judge", "packet_receive", "packet_take_fd",
                      "packet_close_fds"],
    "client/connection.c": ["map_page", "accept_ready", "receive_ready",
                            "connection_check", "connection_break"],
    # What broken_rule and take_segments refuse packets_check has refused before: target packets.
    "client/handed.c": ["receive_memory", "acknowledge", "handed_receive", "handed_check"],
    "client/map.c": ["is_same_memory"],
    "client/question.c": ["is_named", "share", "copy", "sum", "broken_rule", "collect",
                          "question_answer"],
    "client/events.c": ["refuse_locked", "answer_locked", "event_locked", "handle_locked",
                        "receive_locked"],
    "client/registry.c": ["is_refusal", "exchange_locked", "request_ids", "request_dictionary",
                          "registry_lookup", "registry_open"],
    "client/ring.c": ["broken_rule", "deliver_locked", "empty_locked"],
    "client/dext_ring.c": ["dext_ring_push", "dext_ring_pop", "look", "sleep_once",
                           "dext_ring_wait_batch", "dext_ring_arm"],
    "client/slots.c": ["broken_rule", "slot_await"],
    "client/watch.c": ["appeared", "watch_lost_locked", "watch_learn_locked",
                       "watch_event_locked"],
    "driver/calls.c": ["prepare", "occupy", "take", "look"],
    "driver/client_memory.c": ["client_memory_file_locked", "client_memory_free", "broken_rule",
                               "make", "take"],
    "registry/host_log.c": ["take_line", "take_bytes", "keep_line", "forget_oldest", "pass_on",
                            "keep_tail", "take_tail", "host_log_drain", "log_ready"],
    "registry/launch_packets.c": ["started", "is_of_another", "publish_properties", "publish",
                                  "withdraw", "gone", "listing", "listed", "is_old_news", "handle",
                                  "host_take_packets", "host_control_ready"],
    "registry/record.c": ["read_record", "record_read", "record_detached", "record_find_service"],
    "registry/settings.c": ["settings_answered", "settings_end", "finish_take"],
    "registry/store.c": ["get_entry", "take_fd", "take_all", "store_open", "store_take",
                         "store_entry_free", "store_forget", "find"],
    "wire/trace.c": ["copy", "copy_bytes", "turn_of", "skips", "count", "copy_event", "trace_read",
                     "trace_reader_end", "trace_read_owner", "trace_reader_init"],
    "queue/ring_source.c": ["tail_of", "head_of", "take_back", "look", "more_comes",
                            "wait_for_entries", "wait_for_room", "call_ready", "note", "tell_app",
                            "DextRingDispatchSource_Pop", "DextRingDispatchSource_Push"],
    "registry/server.c": ["handle", "watch", "reply"],
    "registry/watcher.c": ["set_matching", "matches", "fill", "make", "watcher_add",
                           "watcher_remove", "watcher_tell"],
}

# Why the others of such a file do not count. What the corpus runs of them is printed all the same.
REST = {
    "base/packet.c": "they send, or only close",
    "client/connection.c": "the app's own calls, references and forks",
    "client/handed.c": "mappings of what was checked",
    "client/map.c": "the app's own calls",
    "client/question.c": "they send, or copy what was checked",
    "client/events.c": "connecting, timers and lists of the app's own watches",
    "client/registry.c": "connecting, and calls whose answers others of these read",
    "client/ring.c": "the app's own registrations, and looks without reading",
    "client/dext_ring.c": "the app's own calls and waiting",
    "client/slots.c": "which slot is whose, and waiting",
    "client/watch.c": "queues of what was read, and the app's own calls",
    "driver/calls.c": "when to look again",
    "driver/client_memory.c": "the driver's own calls and waiting",
    "registry/host_log.c": "ends and timers",
    "registry/launch_packets.c": "ends and answers to apps",
    "registry/record.c": "they write",
    "registry/settings.c": "they send, or forget",
    "registry/store.c": "they keep, or close",
    "queue/ring_source.c": "the driver's own calls, and waiting",
    "wire/trace.c": "the host's side, which reads nothing of others",
    "registry/server.c": "listening, credentials, limits and answers: test_registry_protocol",
    "registry/watcher.c": "they send, or forget",
}

# Functions that do not count, since most of what they can meet is no input's to bring about.
LEFT_OUT = {
    "client/handed.c": {
        "acknowledge": "a full socket: test_client_protocol",
    },
    "driver/structures.c": {
        "discharge": "where nobody looks on",
        "structures_adopt_take": "2 GiB: test_host_structures",
        "make": "RLIMIT_NOFILE: test_host_structures",
    },
    "driver/client_memory.c": {
        "client_memory_file_locked": "an answer after a second: test_host_questions",
        "take": "RLIMIT_NOFILE: test_host_questions",
    },
    "registry/entries.c": {
        "encode_properties": "what is said of drivers that failed: integ logs, a_crash_leaves_a_backtrace",
        "reply_ids": "8190 entries: test_registry_limits",
        "make_description": "no memory: tests/faults",
    },
    "registry/policy_rules.c": {
        "add_word": "no memory: tests/faults",
        "add_rule": "no memory: tests/faults",
    },
    "registry/launch_packets.c": {
        "is_of_another": "hosts of the registry before: target store",
    },
    "driver/call_request.c": {
        "call_make_completion": "the connection ends meanwhile",
    },
    "driver/calls.c": {
        "look": "a page that changes during each of 256 looks",
    },
}

# Inputs longer than this bring nothing, and make each run slow.
LENGTHS = {"client": 600, "control": 500, "host": 600, "packets": 700, "property_list": 1500,
           "registry": 600, "object": 2000, "registry_client": 400, "ring": 300, "store": 500,
           "trace": 600, "usb_descriptors": 1500, "virtual_spec": 200}

# Words that no comparison teaches a fuzzer without sanitizers.
WORDS = {"access": "access.dict", "bundle": "property_list.dict",
         "property_list": "property_list.dict"}

# The entropic schedule walks through all that was ever seen for each input: half of the time of a
# quick target. Names of new functions are asked of a process that stays, as descriptors of ours.
# What targets log is of no use.
OPTIONS = ["-entropic=0", "-print_funcs=0", "-close_fd_mask=2"]
# Of where memory was allocated: a finding that is replayed has them whole.
SHORT_STACKS = "malloc_context_size=3:quarantine_size_mb=16"


def targets():
    return sorted(re.sub(r".*/fuzz_(.*)\.c$", r"\1", path)
                  for path in glob.glob(os.path.join(TOP, "tests", "fuzz", "fuzz_*.c")))


def build(arguments, folder, programs, *options, compiler):
    directory = os.path.join(arguments.build, folder)
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        subprocess.run(["meson", "setup", directory, *options], check=True, cwd=TOP,
                       stdout=subprocess.DEVNULL, env={**os.environ, "CC": compiler})
    subprocess.run(["ninja", "-C", directory, "--quiet",
                    *[f"tests/fuzz/{name}" for name in [*programs, "seeds"]]], check=True)
    return directory


def inputs(directory, name):
    """The folders of a target's inputs that are there; made if need be."""
    folders = [os.path.join(CORPUS, name), os.path.join(directory, "tests", "fuzz", "seeds", name)]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    return folders


def build_fuzzers(arguments, names, quick=False):
    flavour = ["--buildtype=release"] if quick else ["-Db_sanitize=address,undefined"]
    return build(arguments, "fuzz-quick" if quick else "fuzz", [f"fuzz_{name}" for name in names],
                 "-Dfuzz=true", "-Db_lundef=false", *flavour, compiler="clang")


def add_up(arguments, name, executions):
    """A line for each target and flavour; returns the sum of all."""
    path = os.path.join(arguments.build, "fuzz-count")
    key = f"{name} {'quick' if arguments.quick else 'sanitized'}"
    counts = {}
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            counts = {one: int(count) for one, count in (line.rsplit(None, 1) for line in file)}
    counts[key] = counts.get(key, 0) + executions
    with open(path, "w", encoding="ascii") as file:
        for one in sorted(counts):
            file.write(f"{one} {counts[one]}\n")
    return sum(counts.values())


def run(arguments):
    names = targets() if arguments.target == "all" else [arguments.target]
    directory = build_fuzzers(arguments, names, arguments.quick)
    failed, sum_now = False, 0
    for name in names:
        found = os.path.join(arguments.build, "fuzz-found", name, "")
        grown = os.path.join(arguments.build, "fuzz-corpus", name)
        os.makedirs(found, exist_ok=True)
        os.makedirs(grown, exist_ok=True)
        words = []
        if name in WORDS:
            words = [f"-dict={os.path.join(TOP, 'tests', 'fuzz', WORDS[name])}"]
        result = subprocess.run(
            ["nice", "-n", "19", os.path.join(directory, "tests", "fuzz", f"fuzz_{name}"),
             f"-max_total_time={arguments.seconds}", "-timeout=60", "-rss_limit_mb=2048",
             "-print_final_stats=1", *OPTIONS, *words, f"-max_len={LENGTHS.get(name, 2048)}",
             f"-artifact_prefix={found}", grown, *inputs(directory, name)],
            env={**os.environ, "ASAN_OPTIONS": SHORT_STACKS},
            stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        executed = re.search(r"stat::number_of_executed_units: (\d+)", result.stderr)
        executed = int(executed.group(1)) if executed else 0
        total = add_up(arguments, name, executed)
        sum_now += executed
        print(f"fuzz: {name}: {executed} executions ({executed // max(arguments.seconds, 1)}/s), "
              f"{total} in all", flush=True)
        if result.returncode != 0:
            failed = True
            print(result.stderr[-6000:])
            print(f"fuzz: {name}: failed; the input is in {found}")
    print(f"fuzz: {sum_now} executions of {len(names)} targets, {total} in all")
    return 1 if failed else 0


def keep(arguments):
    """What adds coverage to the seeds."""
    name = arguments.target
    directory = build_fuzzers(arguments, [name])
    kept, seeds = inputs(directory, name)
    grown = os.path.join(arguments.build, "fuzz-corpus", name)
    fresh = os.path.join(arguments.build, "fuzz-kept", name)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(seeds, fresh)
    subprocess.run(["nice", "-n", "19", os.path.join(directory, "tests", "fuzz", f"fuzz_{name}"),
                    "-merge=1", fresh, kept, *([grown] if os.path.isdir(grown) else [])],
                   check=True, stderr=subprocess.DEVNULL)
    # What has another name than a fuzzer gives is somebody's: a regression.
    for path in glob.glob(os.path.join(kept, "*")):
        if re.fullmatch(r"[0-9a-f]{40}", os.path.basename(path)):
            os.remove(path)
    for path in glob.glob(os.path.join(fresh, "*")):
        if not os.path.basename(path).startswith("seed-"):
            shutil.copy(path, kept)
    print(f"fuzz: {name}: {len(os.listdir(kept))} inputs, "
          f"{sum(os.path.getsize(path) for path in glob.glob(os.path.join(kept, '*')))} bytes")
    return 0


# Neither is what the kernel or the allocator refuses: tests/faults makes them.
REFUSED = re.compile("kIOReturnNoMemory|status_from_errno|no memory")


def counted(source, function):
    only = FUNCTIONS.get(source)
    return function not in LEFT_OUT.get(source, {}) and (not only or function in only)


def measure(directory, source):
    """How often each line of a source ran that can: {function: {line: count}}."""
    notes = glob.glob(os.path.join(directory, "src", os.path.dirname(source), "*.p",
                                   os.path.basename(source) + ".gcno"))
    result = subprocess.run(["gcov", "--json-format", "--stdout", notes[0]], check=True,
                            capture_output=True, text=True, cwd=directory)
    functions = {}
    for file in json.loads(result.stdout)["files"]:
        if file["file"].endswith("src/" + source):
            for line in file["lines"]:
                lines = functions.setdefault(line.get("function_name"), {})
                number = line["line_number"]
                lines[number] = max(lines.get(number, 0), line["count"])
    return functions


def share_of(lines):
    return 100 * sum(count > 0 for count in lines.values()) / len(lines) if lines else 100


def report(name, source, functions):
    """Prints a parser's share, what was not run, and what does not count. False: too much."""
    with open(os.path.join(TOP, "src", source), encoding="utf-8") as file:
        text = [line.strip() for line in file]
    lines = {}
    for function, those in functions.items():
        if counted(source, function):
            lines.update(those)
    refused = [line for line in lines if lines[line] == 0 and REFUSED.search(text[line - 1])]
    for line in refused:
        del lines[line]
    share = share_of(lines)
    print(f"{name:18} {source:28} {share:5.1f} % of {len(lines)} lines", flush=True)
    for function, reason in LEFT_OUT.get(source, {}).items():
        print(f"\tdoes not count: {function}, {share_of(functions.get(function, {})):.0f} % "
              f"({reason})")
    if source in FUNCTIONS:
        rest = [f"{function} {share_of(those):.0f} %" for function, those in functions.items()
                if not counted(source, function) and function not in LEFT_OUT.get(source, {})]
        print(f"\tdo not count ({REST[source]}): {', '.join(rest)}")
    if refused:
        print(f"\tdo not count (what the kernel or the allocator refuses: tests/faults): "
              f"{len(refused)} lines")
    for line in sorted(line for line in lines if lines[line] == 0):
        print(f"\tnot run: {line}: {text[line - 1]}")
    return share >= ENOUGH


def coverage(arguments):
    names = targets() if arguments.target == "all" else [arguments.target]
    directory = build(arguments, "coverage", [f"replay_{name}" for name in names],
                      "-Db_coverage=true", "--buildtype=debug", compiler="gcc")
    failed = False
    for name in names:
        # What another target runs of the same files is not this one's.
        for path in glob.glob(os.path.join(directory, "**", "*.gcda"), recursive=True):
            os.remove(path)
        subprocess.run([os.path.join(directory, "tests", "fuzz", f"replay_{name}"),
                        *inputs(directory, name)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        for source in PARSERS[name]:
            failed = not report(name, source, measure(directory, source)) or failed
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "keep", "coverage"])
    parser.add_argument("target", nargs="?", default="all")
    parser.add_argument("seconds", nargs="?", type=int, default=60)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    arguments = parser.parse_args()
    # Programs are run, and files looked for, from other folders as well.
    arguments.build = os.path.abspath(arguments.build)
    if arguments.target not in [*targets(), "all"]:
        print(f"fuzz: no target '{arguments.target}'; there are {', '.join(targets())}")
        return 2
    return {"run": run, "keep": keep, "coverage": coverage}[arguments.what](arguments)


if __name__ == "__main__":
    sys.exit(main())
