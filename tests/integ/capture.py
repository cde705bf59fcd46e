#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `dext capture` writes: decoded here by usbmon's format, and by tshark.

    capture.py DEXT BULKSTREAM_BUNDLE FTDI_BUNDLE SERIAL_TERMINAL ISOCH_BUNDLE ISOCH_APP
"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit", "commands"))
import tap  # pylint: disable=wrong-import-position

DEXT, BULK, FTDI, TERMINAL, ISOCH, ISOCH_APP = (os.path.abspath(path) for path in sys.argv[1:])
EPIPE, EXDEV, EINPROGRESS = 32, 18, 115
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
        self.stamp = stamp
        assert captured == len(data), (captured, len(data))
        assert (interval, start) == (0, 0)
        assert (seconds, usec) == (stamp // 10**9, stamp % 10**9 // 1000)
        isochronous = self.transfer == ISOCHRONOUS
        assert flags == (0x200 if self.endpoint & 0x80 else 0) + (2 if isochronous else 0)
        # Status, offset and length of each.
        self.packets = [struct.unpack("=iII4x", data[16 * at:16 * at + 16]) for at in range(packets)]
        self.data = data = data[16 * packets:]
        assert isochronous or not packets
        if isochronous:
            errors, listed = struct.unpack("=ii", self.setup)
            assert listed == packets
            assert errors == (0 if self.type == "S" else sum(packet[0] != 0 for packet in self.packets))
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
        setups = requests_of(records)
        assert all(record.no_setup == (record.type != "S" or record.transfer != CONTROL) * ord("-") for record in records)
        # The vendor's request for the rate.
        assert any(setup[:2] == b"\x40\x03" for setup in setups), setups
        lines = fields(folder, "usb.transfer_type == 0x02 && usb.urb_type == 'S'", "usb.setup.bRequest")
        assert [int(line[0], 0) for line in lines] == [setup[1] for setup in setups]


def requests_of(records):
    return [record.setup for record in records if record.transfer == CONTROL and record.type == "S"]


def isochronous_transfers_have_their_packets():
    with tempfile.TemporaryDirectory() as folder:
        records = capture(folder, ISOCH, "loopback", "-s 65536", ISOCH_APP)
        began, ended = [record for record in records if record.endpoint == 1]
        assert began.transfer == ended.transfer == ISOCHRONOUS and began.length == ended.length == 406
        sizes, offsets = [100, 101, 102, 103], [0, 100, 201, 303]
        assert began.packets == [(-EXDEV, *packet) for packet in zip(offsets, sizes)], began.packets
        assert ended.packets == [(0, *packet) for packet in zip(offsets, sizes)], ended.packets
        sent = bytes(at % 256 for at in range(406))
        assert began.data == sent and not ended.data
        # Five places, of which the last stays empty; what came is as it lies in the buffer, gaps included.
        began, ended = [record for record in records if record.endpoint == 0x81]
        assert began.packets == [(-EXDEV, 200 * at, 200) for at in range(5)] and not began.data
        assert [packet[1:] for packet in ended.packets] == list(zip(range(0, 1000, 200), sizes + [0])), ended.packets
        assert ended.length == 406 and len(ended.data) == 703
        assert b"".join(ended.data[at:at + size] for _, at, size in ended.packets) == sent
        # What the kernel sends for the driver.
        assert requests_of(records) == [bytes([1, 11, 2, 0, 0, 0, 0, 0]), bytes([2, 1, 0, 0, 1, 0, 0, 0]),
                                        bytes([2, 1, 0, 0, 0x81, 0, 0, 0])], requests_of(records)
        assert fields(folder, "_ws.malformed || _ws.expert.severity >= 6291456", "frame.number") == []
        lines = fields(folder, "usb.endpoint_address == 0x01 && usb.urb_type == 'C'", "usb.iso.numdesc",
                       "usb.iso.iso_off", "usb.iso.iso_len", "usb.iso.iso_status")
        assert lines == [["4,4", "0,100,201,303", "100,101,102,103", "0,0,0,0"]], lines
        lines = fields(folder, "usb.endpoint_address == 0x81 && usb.urb_type == 'C'", "usb.iso.data")
        assert bytes.fromhex("".join(lines[0][0].split(","))) == sent, lines
        lines = fields(folder, "usb.transfer_type == 0x02 && usb.urb_type == 'S'", "_ws.col.Info")
        assert [line[0] for line in lines] == ["SET INTERFACE Request", "CLEAR FEATURE Request",
                                               "CLEAR FEATURE Request"], lines
    # Its packets are all there, however few bytes are wanted.
    with tempfile.TemporaryDirectory() as folder:
        records = capture(folder, ISOCH, "loopback", "-s 7", ISOCH_APP)
        ended = [record for record in records if record.endpoint == 0x81][1]
        assert len(ended.packets) == 5 and ended.data == sent[:7]


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
          control_requests_have_their_setup, isochronous_transfers_have_their_packets, a_stall_is_one, it_ends_as_it_is_told])
