#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON that commands print: its keys and their types are as they were, and the page names them.

    json_keys.py DEXT PAGE BUNDLE

Programs rely on it: a key that goes, or gets another type, breaks them. One that is new is added here and to the page.
"""
import json
import os
import shutil
import sys
import tempfile

import tap

DEXT, PAGE, BUNDLE = (os.path.abspath(path) for path in sys.argv[1:])
TEXT, NUMBER, YES, NOTHING = str, (int, float), bool, type(None)

SENT = {"command": TEXT, "bytes": NUMBER, "seconds": NUMBER, "mib_per_second": NUMBER, "xxh3_64": TEXT, "device": dict,
        "copied_bytes": NUMBER, "verified": (YES, NOTHING), "interrupted": YES, "exit": NUMBER, "error": NOTHING}
CALLS = {"callsPerSecond": NUMBER, "entriesPerSecond": NUMBER, "completionsPerSecond": NUMBER, "calls": NUMBER,
         "failedCalls": NUMBER, "structureBytes": NUMBER, "completions": NUMBER, "entriesTaken": NUMBER,
         "entriesGiven": NUMBER, "callsInFlight": NUMBER}
TRANSFERS = {"mibPerSecond": NUMBER, "transfersPerSecond": NUMBER, "transfers": NUMBER, "failedTransfers": NUMBER,
             "bytes": NUMBER, "transfersInFlight": NUMBER}
LATENCY = {"latencyNsec": (dict, NOTHING)}
TOP_KEYS = {
    "report": {"time": NUMBER, "seconds": NUMBER, "drivers": list},
    "driver": {"number": NUMBER, "class": TEXT, "bundle": TEXT, "device": TEXT, "state": TEXT, "reason": NOTHING,
               "process": NUMBER, "crashes": NUMBER, "refused": NOTHING, "cpuPercent": NUMBER, "memoryBytes": NUMBER,
               **CALLS, **LATENCY, **TRANSFERS, "queue": NUMBER, "limits": dict, "clients": list, "pipes": list},
    "client": {"process": NUMBER, "command": TEXT, "user": NUMBER, "class": TEXT, "type": NUMBER, **CALLS,
               "completionsWaiting": NUMBER, **LATENCY, "queue": NUMBER, "limits": dict},
    "pipe": {"endpoint": NUMBER, "direction": (TEXT, NOTHING), "type": TEXT, "interface": NUMBER, **TRANSFERS,
             "transfersWaiting": NUMBER, **LATENCY, "queue": NUMBER},
    "latency": {"mean": NUMBER, "p50": NUMBER, "p90": NUMBER, "p99": NUMBER, "p999": NUMBER},
    "limit": {"used": NUMBER, "limit": NUMBER},
}
KEYS = {
    "list": {"name": TEXT, "class": TEXT, "bundle": TEXT, "bundlePath": TEXT, "device": TEXT, "hostPid": NUMBER,
             "id": TEXT, "state": TEXT, "reason": NOTHING},
    "tree": {"name": TEXT, "class": TEXT, "id": TEXT, "location": TEXT, "properties": dict, "children": list},
    "logs": {"sequence": NUMBER, "time": NUMBER, "driver": NUMBER, "bundle": TEXT, "process": NUMBER, "text": TEXT},
    "trace": {"event": TEXT, "driver": NUMBER, "bundle": TEXT, "time": NUMBER, "place": NUMBER, "process": NUMBER,
              "endpoint": NOTHING, "id": NUMBER, "operation": TEXT, "selector": NUMBER, "setup": NOTHING,
              "count": NUMBER, "length": NUMBER, "actual": NUMBER, "status": NUMBER, "nsec": NUMBER, "waited": NUMBER},
    "devices": {"path": TEXT, "bus": NUMBER, "device": NUMBER, "idVendor": NUMBER, "idProduct": NUMBER,
                "bcdDevice": NUMBER, "class": NUMBER, "configuration": NUMBER, "speed": TEXT, "manufacturer": NOTHING,
                "product": TEXT, "serial": NOTHING, "interfaces": list},
    "plug": {"name": TEXT, "id": TEXT, "serial": TEXT, "locationID": TEXT},
    "send": SENT,
    "recv": SENT,
    "lint": {"severity": TEXT, "file": TEXT, "line": NUMBER, "key": TEXT, "text": TEXT},
    "doctor": {"name": TEXT, "state": TEXT, "text": TEXT, "remedy": (TEXT, NOTHING)},
}


def check(command, found, all_keys=None):
    keys = (all_keys or KEYS)[command]
    assert list(found) == list(keys), (command, list(found))
    for key, kind in keys.items():
        assert isinstance(found[key], kind) and (kind is not NUMBER or found[key] is not True), (command, key, found[key])


def run(script, spec="loopback"):
    """In a registry with that device; what was printed."""
    done = tap.run(DEXT, "run", BUNDLE, "--virtual", spec, "--", "bash", "-e", "-c", script.replace("dext", DEXT))
    assert done.returncode == 0, done
    return done.stdout


def of_the_registry():
    check("list", json.loads(run("dext list --json"))[0])
    check("tree", json.loads(run("dext tree --json -r -c IOUSBHostDevice"))[0])
    check("logs", json.loads(run("dext logs --json").splitlines()[0]))
    check("plug", json.loads(run("dext plug --json sink:serial=A1")))


def of_events():
    lines = run("dext trace --json --count 60 2>/dev/null & "
                "while kill -0 $! 2>/dev/null; do dext send /etc/hostname >/dev/null; done; wait $!")
    # One that had begun before the recording has no time.
    ends = (event for event in map(json.loads, lines.splitlines()) if event["event"] == "call_ended")
    check("trace", next(event for event in ends if event["nsec"] is not None))


def of_transfers():
    check("send", json.loads(run("printf word | dext send --json -")))
    check("recv", json.loads(run("dext recv --json --bytes 4 /dev/null", "source")))


def of_top():
    """While an app has it open, which has sent something and waits for more."""
    script = """
        dext top --batch --json --interval 0.1 | {
            read -r line
            coproc sender { dext send --calls --size 512 - >&2; }
            head -c 4096 /dev/zero >&${sender[1]}
            until [[ $line == *'"clients":[{'* ]]; do read -r line; done
            echo "$line"
            eval "exec ${sender[1]}>&-"
        } || true
    """
    report = json.loads(run(script, "sink").splitlines()[0])
    driver = report["drivers"][0]
    check("report", report, TOP_KEYS)
    check("driver", driver, TOP_KEYS)
    check("client", driver["clients"][0], TOP_KEYS)
    for pipe in driver["pipes"]:
        check("pipe", pipe, TOP_KEYS)
    for kind, place in (("latency", "latencyNsec"), ("limit", "limits")):
        for part in [driver, *driver["clients"], *driver["pipes"]]:
            found = part.get(place)
            for one in (found or {}).values() if kind == "limit" else [found] if found else []:
                check(kind, one, TOP_KEYS)


def of_devices():
    with tempfile.TemporaryDirectory() as folder:
        values = {"busnum": 1, "devnum": 2, "idVendor": "1209", "idProduct": "0d03", "speed": 480, "product": "Lamp",
                  "bDeviceClass": "00", "devpath": 1, "bConfigurationValue": 1}
        os.mkdir(os.path.join(folder, "1-1"))
        for name, value in values.items():
            with open(os.path.join(folder, "1-1", name), "w", encoding="utf-8") as file:
                file.write(f"{value}\n")
        check("devices", json.loads(tap.run(DEXT, "devices", "--json", "--sysfs", folder).stdout)[0])


def of_checks():
    with tempfile.TemporaryDirectory() as folder:
        broken = shutil.copytree(BUNDLE, os.path.join(folder, "broken.dext"), ignore=shutil.ignore_patterns("*.so*"))
        check("lint", json.loads(tap.run(DEXT, "lint", "--json", broken).stdout)[0])
        check("doctor", json.loads(tap.run(DEXT, "doctor", "--json", "--root", folder).stdout)[0])


def the_page_names_all():
    with open(PAGE, encoding="utf-8") as file:
        section = file.read().replace("\\", "").split("\n# JSON\n")[1].split("\n# ")[0]
    for command, keys in {**KEYS, "top": [key for keys in TOP_KEYS.values() for key in keys]}.items():
        paragraph = next((text for text in section.split("\n\n") if f"*dext {command}*" in text), None)
        assert paragraph, f"{command} is not in the section JSON"
        missing = [key for key in keys if f"_{key}_" not in paragraph]
        assert not missing, (command, missing)


tap.main([of_the_registry, of_events, of_transfers, of_top, of_devices, of_checks, the_page_names_all])
