#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `dext capture` writes: decoded here by usbmon's format, and by tshark.

    capture.py DEXT BULKSTREAM_BUNDLE FTDI_BUNDLE SERIAL_TERMINAL
"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit", "commands"))
import tap  # pylint: disable=wrong-import-position

DEXT, BULK, FTDI, TERMINAL = (os.path.abspath(path) for path in sys.argv[1:])
EPIPE, EINPROGRESS = 32, 115
ISOCHRONOUS, INTERRUPT, CONTROL, BULK_TYPE = range(4)
# The command looks on before the script goes on: it says so on standard error.
SCRIPT = """
mkfifo said; exec 3<>said
{dext} capture -w usb.pcap {options} 2>said & capture=$!
read -r line <&3
{script}
kill -INT $capture; wait $capture
"""


class Record:
    """One of usbmon's."""

    def __init__(self, header, data, stamp):
        (self.id, type_, self.transfer, self.endpoint, self.device, self.bus, self.no_setup, self.no_data, seconds, usec,
         self.status, self.length, captured, self.setup, interval, start, flags, packets) = struct.unpack(
             "=QcBBBHBBqiiII8siiII", header)
        self.type = type_.decode()
        self.data = data
        self.stamp = stamp
        assert captured == len(data), (captured, len(data))
        assert (interval, start, packets) == (0, 0, 0)
        assert (seconds, usec) == (stamp // 10**9, stamp % 10**9 // 1000)
        assert flags == (0x200 if self.endpoint & 0x80 else 0)
        assert self.no_data == (0 if data else ord("<" if self.endpoint & 0x80 else ">"))


def decode(path):
    with open(path, "rb") as file:
        text = file.read()
    magic, major, minor, zone, accuracy, snap, link = struct.unpack("=IHHiIII", text[:24])
    assert (magic, major, minor, zone, accuracy, link) == (0xA1B23C4D, 2, 4, 0, 0, 220)
    records, at = [], 24
    while at < len(text):
        seconds, nsec, captured, length = struct.unpack("=IIII", text[at:at + 16])
        at += 16
        assert 64 <= captured <= length and captured <= snap and at + captured <= len(text)
        records.append(Record(text[at:at + 64], text[at + 64:at + captured], seconds * 10**9 + nsec))
        at += captured
    return records


def capture(folder, bundle, spec, options, script):
    """The records, of which each beginning has its end."""
    text = SCRIPT.format(dext=DEXT, options=options, script=script)
    done = tap.run(DEXT, "run", bundle, "--virtual", spec, "--", "bash", "-e", "-c", text, cwd=folder)
    assert done.returncode == 0, (done.stdout, done.stderr)
    records = decode(os.path.join(folder, "usb.pcap"))
    begun = {}
    for record in records:
        if record.type == "S":
            assert record.id not in begun and record.status == -EINPROGRESS
            begun[record.id] = record
        else:
            assert record.type == "C"
            first = begun[record.id]
            assert first.endpoint == record.endpoint and first.stamp <= record.stamp
            assert record.length <= first.length
    assert len(records) == 2 * len(begun), "a transfer without an end"
    return records


def some_bytes(folder, count):
    data = os.urandom(count)
    with open(os.path.join(folder, "data"), "wb") as file:
        file.write(data)
    return data


def fields(folder, which, *names):
    """What tshark reads in the records that `which` chooses: a list for each of them."""
    command = ["tshark", "-r", os.path.join(folder, "usb.pcap"), "-Y", which, "-T", "fields"]
    for name in names:
        command += ["-e", name]
    done = tap.run(*command)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def bytes_are_those_that_were_sent():
    for way in ("", "--calls"):
        with tempfile.TemporaryDirectory() as folder:
            data = some_bytes(folder, 300000)
            records = capture(folder, BULK, "sink", "-s 65536", f"{DEXT} send {way} --size 64K data")
            out = [record for record in records if record.endpoint == 1]
            assert len(out) == 2 * 5 and all(record.transfer == BULK_TYPE for record in out)
            assert b"".join(record.data for record in out if record.type == "S") == data
            assert sum(record.length for record in out if record.type == "C") == len(data)
            assert all(record.status == 0 and not record.data for record in out if record.type == "C")
            lines = fields(folder, "usb.endpoint_address == 0x01 && usb.urb_type == 'S'", "usb.capdata")
            assert bytes.fromhex("".join(line[0] for line in lines)) == data
            assert fields(folder, "_ws.malformed", "frame.number") == []


def bytes_are_those_that_were_received():
    with tempfile.TemporaryDirectory() as folder:
        records = capture(folder, BULK, "source", "-s 65536", f"{DEXT} recv --bytes 500000 --size 32K data")
        with open(os.path.join(folder, "data"), "rb") as file:
            data = file.read()
        came = [record for record in records if record.endpoint == 0x81 and record.type == "C"]
        assert b"".join(record.data for record in came).startswith(data) and len(data) == 500000
        lines = fields(folder, "usb.endpoint_address == 0x81 && usb.urb_type == 'C' && usb.data_len > 0", "usb.capdata")
        assert bytes.fromhex("".join(line[0] for line in lines)).startswith(data)


def the_first_bytes_unless_it_is_told():
    for options, snap in (("", 256), ("-s 1", 1), ("-s 57", 57)):
        with tempfile.TemporaryDirectory() as folder:
            data = some_bytes(folder, 20000)
            records = capture(folder, BULK, "sink", options, f"{DEXT} send --size 8K data")
            out = [record for record in records if record.endpoint == 1 and record.type == "S"]
            assert [record.length for record in out] == [8192, 8192, 3616]
            assert [record.data for record in out] == [data[at:at + snap] for at in (0, 8192, 16384)]


def control_requests_have_their_setup():
    with tempfile.TemporaryDirectory() as folder:
        records = capture(folder, FTDI, "ftdi", "-s 65536", f"printf hello | {TERMINAL} --baud 9600 >came")
        with open(os.path.join(folder, "came"), "rb") as file:
            assert file.read() == b"hello"
        setups = [record.setup for record in records if record.transfer == CONTROL and record.type == "S"]
        assert all(record.no_setup == (record.type != "S" or record.transfer != CONTROL) * ord("-") for record in records)
        # The vendor's request for the rate.
        assert any(setup[:2] == b"\x40\x03" for setup in setups), setups
        lines = fields(folder, "usb.transfer_type == 0x02 && usb.urb_type == 'S'", "usb.setup.bRequest")
        assert [int(line[0], 0) for line in lines] == [setup[1] for setup in setups]


def a_stall_is_one():
    with tempfile.TemporaryDirectory() as folder:
        some_bytes(folder, 300000)
        records = capture(folder, BULK, "sink,stall-every=2", "", f"{DEXT} send --size 64K data || true")
        assert -EPIPE in [record.status for record in records if record.type == "C"]


def it_ends_as_it_is_told():
    with tempfile.TemporaryDirectory() as folder:
        done = tap.run(DEXT, "run", BULK, "--virtual", "source", "--", "bash", "-c",
                       f"{DEXT} recv /dev/null & {DEXT} capture -w - --count 6 >usb.pcap; result=$?; "
                       "kill -INT $!; wait $!; exit $result",
                       cwd=folder)
        assert done.returncode == 0, done.stderr
        assert len(decode(os.path.join(folder, "usb.pcap"))) == 6
    for words in ([], ["-w", "x", "-s", "0"], ["-w", "x", "-s", "65537"], ["-w", "x", "--count", "0"], ["-w", "x", "a", "b"]):
        done = subprocess.run([DEXT, "capture", *words], capture_output=True, check=False)
        assert done.returncode == 2, (words, done.stderr)


tap.main([bytes_are_those_that_were_sent, bytes_are_those_that_were_received, the_first_bytes_unless_it_is_told,
          control_requests_have_their_setup, a_stall_is_one, it_ends_as_it_is_told])
