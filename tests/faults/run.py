#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every system call and allocation of the runtime fails once, each in a run of its own.

usage: run.py BUILD [--part app|runtime|all] [--share N] [--seed N] [--only REGEX] [--workers N] [--scenario NAME]

A point is a line of the runtime that calls something which can fail. First each scenario of the app runs without a
fault, and it is seen which points it comes by; then it runs once for each of them, which fails there. Points that
only a failure leads to, since they are on its way back, fail in a run where that failure has happened before; and so on with
what only two of them lead to. A run is good if nothing has crashed, hung or left something behind, the app has seen a clean error or none at all, and the next
round of the same app, with the same host and registry unless the fault was the end of them, sees nothing of it.
"""
import argparse
import collections
import errno
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import points as points_of  # noqa: E402
from scene import CANNOT, FAULTS, Failure, Held, Page, Scene  # noqa: E402
from settings import SETTINGS  # noqa: E402

APP = 0  # libiokit's place in points.MODULES
RUNTIME_ROUNDS = 2
# A mapping that cannot be taken away stays.
LEAVES = {"munmap"}
# And a foreign descriptor stays open until somebody can be had to close it.
OPEN = re.compile(r"src/base/closing\.c:\d+:")
# What there may be more of at any time: a thread of the loop that waits beside the others, lines of a log.
GROWS = re.compile(r"src/queue/loop\.c:\d+:calloc|src/registry/host_log\.c:\d+:malloc|src/base/closing\.c:\d+:realloc|"
                   r"src/registry/reports\.c:\d+:malloc")
SETTLE_SEC = 10
# Which of a scenario's packets fail, since what follows depends on which it is: of calls, and of memory both ways.
PACKETS = {"map": range(2, 13), "large": range(2, 13)}
REFUSED = re.compile(r"Start failed: |\.dext: (?!found|replaced|removed)|/Info\.plist: |could not be launched: |giving up")
# libplist does not say why it has made nothing: what was sent is blamed.
BLAMES = {"plist_from_bin", "plist_from_xml"}
# Where a function has no other way to say so it ends the program, with a line that says why: dispatch/queue.h.
ABORTS = re.compile(r"^[^(]*(?:out of memory|no memory |no event loop or thread)[^\n]*\n*\Z", re.MULTILINE)
ABORTED = re.compile(r"^[^(\n]*(?:out of memory|no memory |no event loop or thread|pages that were split off stay)"
                     r"[^\n]*$", re.MULTILINE)
# And this writes the line.
WORDS = "src/base/log.c"
ATTEMPTS = 3

# `first`: the job whose fault leads to this place; None: it is reached without any.
Job = collections.namedtuple("Job", "point place scenario number error first")
# As many ways to a place are tried before it counts as not hit.
WAYS = 3


def scenarios(build):
    """{name: setting}."""
    said = subprocess.run([os.path.join(build, "tests/faults/faults-app")], capture_output=True, text=True, check=True)
    return dict(line.split() for line in said.stdout.splitlines())


def chain_of(job):
    """The jobs whose faults happen, in their order."""
    return chain_of(job.first) + [job] if job is not None else []


def faults_of(job):
    return [(each.place, each.number, each.error) for each in chain_of(job)]


def listed():
    """Points that nothing can reach, from the file `unreached`: [(file:function, text of the line, reason)]."""
    found = []
    with open(os.path.join(HERE, "unreached"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                found.append(tuple(part.strip() for part in line.split(" | ", 2)))
    return found


def reason_of(point, reasons):
    """Why it is in the list; None: it is not."""
    path, number = point.line.rsplit(":", 1)
    with open(os.path.join(HERE, "../..", path), encoding="utf-8") as file:
        text = file.read().splitlines()[int(number) - 1]
    for name, part, reason in reasons:
        if name == f"{path}:{point.function}" and part in text:
            return reason
    return None


class Runner:
    def __init__(self, arguments):
        self.build, self.arguments = os.path.abspath(arguments.build), arguments
        self.points, self.unknown = points_of.existing(self.build)
        self.by_place = {place: point for point in self.points.values() for place in point.places}
        Page.same = {place: min(point.places) for place, point in self.by_place.items()}
        self.counts = {}  # scenario: {place: executions of one round}
        self.references = {}  # scenario: what the app holds after all rounds
        self.others = {}  # scenario: what registry and hosts hold then
        self.growth = {}  # scenario: {place: allocations that a run adds to registry and hosts}
        self.failures, self.lock, self.hit, self.runs = [], threading.Lock(), set(), 0
        self.unfired, self.broken = [], []
        self.used = set()  # points that somebody came by, whether they could have failed or not
        self.settings = scenarios(self.build)
        self.unreached = set()  # places that no scenario comes by
        self.ways = collections.defaultdict(list)  # {unreached place: jobs whose fault leads there}

    def scene(self, scenario):
        return Scene(self.build, SETTINGS[self.settings[scenario]])

    # --- without a fault ---

    def record(self, scenario):
        scene = self.scene(scenario)
        try:
            scene.page.arm(records=True)
            if not scene.start():
                raise Failure("dextd does not start:\n" + scene.log())
            app = scene.app(scenario, 1)
            lines = app.run()
            if "done" not in lines or not lines[0].startswith("round 0 ok"):
                raise Failure(f"{scenario} without a fault: {lines}\n{app.said()}{scene.log()}")
            app.end()
            scene.stop()
            counts = scene.page.counts()
        finally:
            scene.close()
        with self.lock:
            self.counts[scenario] = counts
            self.used |= {self.by_place[place].name for place in counts if place in self.by_place}

    def refer(self, scenario):
        """What the app holds at the end, and what a second run of it adds to the others."""
        scene = self.scene(scenario)
        try:
            scene.start()
            scene.await_hosts()
            reference, before, growth = None, None, collections.Counter()
            for _ in range(3 if scene.setting.settles else 1):
                app = scene.app(scenario, scene.setting.rounds)
                app.run()
                held = Held(scene.page, app.process.pid)
                reference = held if reference is None else widest(reference, held)
                app.end()
                now = scene.settle()
                for one, other in zip(now, before or now):
                    growth |= one.live - other.live
                before = now
                scene.forget()
            scene.stop()
            with self.lock:
                self.references[scenario], self.growth[scenario] = reference, growth
        finally:
            scene.close()

    def refer_others(self, scenario):
        """What the registry and the hosts hold when an app has come and gone."""
        widest_of = None
        for _ in range(2):
            scene = self.scene(scenario)
            try:
                scene.start()
                scene.await_hosts()
                app = scene.app(scenario, min(RUNTIME_ROUNDS, scene.setting.rounds))
                app.run()
                app.end()
                scene.settle()
                held = scene.held_by_kind()
                widest_of = held if widest_of is None else [widest(*pair) for pair in zip(widest_of, held)]
                scene.stop()
            finally:
                scene.close()
        with self.lock:
            self.others[scenario] = widest_of

    # --- with one ---

    def reached(self):
        return {place for counts in self.counts.values() for place, count in counts.items()
                if place in self.by_place and count & ~CANNOT != 0}

    def jobs(self, part):
        """For each place one run with each error, and more for places that are passed often."""
        best = {}
        for scenario, counts in self.counts.items():
            for place in self.reached() & counts.keys():
                seldom = min(counts[place] & ~CANNOT, 1000)
                rank = self.settings[scenario] == "plain", seldom
                if seldom != 0 and (place not in best or rank > best[place][0]):
                    best[place] = rank, scenario
        for place, ((_, count), scenario) in sorted(best.items(), key=lambda item: (self.settings[item[1][1]], item)):
            point = self.by_place[place]
            if (place[0] == APP) != (part == "app"):
                continue
            errors = points_of.errors_of(point.function)
            for number, error in [(1, error) for error in errors] + [(n, errors[0]) for n in later(count)]:
                yield Job(point, place, scenario, number, error, None)
        yield from self.besides(part)

    def besides(self, part):
        """More of those by which all goes, and of what another registry does that comes second."""
        for place in sorted(self.reached()):
            point = self.by_place[place]
            errors = points_of.errors_of(point.function)
            wanted = [(scenario, number, error) for scenario in PACKETS for number in PACKETS[scenario]
                      for error in errors if point.line.startswith("src/base/packet.c:")]
            half = self.counts.get("kept", {}).get(place, 0) // 2
            wanted += [("kept", half + 1, errors[0])] * (0 < half < CANNOT // 2)
            for scenario, number, error in wanted:
                if (place[0] == APP) == (part == "app") and number <= self.counts.get(scenario, {}).get(place, 0):
                    yield Job(point, place, scenario, number, error, None)

    def behind(self, part, length):
        """For each place that so many faults lead to, and not fewer."""
        for place, ways in sorted(self.ways.items()):
            point = self.by_place[place]
            if length > 1 and point.name in self.hit:
                continue
            for way in ways:
                faults = chain_of(way)
                if len(faults) != length or \
                        all(module == APP for module, _ in [place] + [each.place for each in faults]) != (part == "app"):
                    continue
                # That a call is refused for an argument leads to one without it.
                for error in set(points_of.errors_of(point.function)) - {errno.EINVAL}:
                    yield Job(point, place, way.scenario, 1, error, way)

    def wanted(self, job):
        return not self.arguments.only or any(re.search(self.arguments.only, each.point.name) for each in chain_of(job))

    def run_app_job(self, scene, job):
        """In a scene that goes on."""
        page = scene.page
        before = [Held(page, pid) for pid in [scene.dextd.pid] + scene.hosts()]
        known = page.passed(self.unreached)
        page.arm(*faults_of(job), records=True)
        app = scene.app(job.scenario, scene.setting.rounds)
        try:
            lines = app.run()
            more = self.left(page, app, job)
            status = app.end()
            fired = all(page.fired()[:len(faults_of(job))])
            self.note_ways(job, page, known)
        finally:
            page.arm()
            scene.forget()
        if not fired:
            return None
        if status == -signal.SIGABRT and (ABORTS.search(app.said()) or
                                          len(chain_of(job)) > 1 and WORDS in job.point.line):
            return []
        problems = judge(lines, status, strict=True)
        if not problems and not leaves(job):
            problems = [f"left behind: {self.show(entry)}" for entry in more]
        if not problems and scene.setting.settles:
            problems = self.settled(scene, before, job.scenario)
        return problems and problems + ["the app said: " + app.said()[-2000:]]

    def note_ways(self, job, page, known=()):
        """Where this job's faults have led to."""
        length = len(chain_of(job))
        if length < FAULTS:
            with self.lock:
                for place, count in page.passed(self.unreached).items():
                    self.used.add(self.by_place[place].name)
                    if count & ~CANNOT != 0 and place not in known and \
                            sum(len(chain_of(way)) == length for way in self.ways[place]) < WAYS:
                        self.ways[place].append(job)

    def left(self, page, app, job):
        """What the app has too much when its threads are through."""
        end = time.monotonic() + 1
        while True:
            more = [entry for entry in Held(page, app.process.pid).beyond(self.references[job.scenario])
                    if isinstance(entry, str) or not GROWS.match(self.by_place[entry[0]].name)]
            if not more or leaves(job) or time.monotonic() > end:
                return more
            time.sleep(0.01)

    def settled(self, scene, before, scenario):
        """The registry and the hosts have to come back to what they held, or to what a run without a fault adds."""
        end = time.monotonic() + SETTLE_SEC
        while True:
            pids = [scene.dextd.pid] + scene.hosts()
            now = [Held(scene.page, pid) for pid in pids]
            more = [(pid, entry) for pid, a, b in zip(pids, now, before) for entry in a.beyond(b)
                    if isinstance(entry, str) or entry[1] > self.growth[scenario][entry[0]] and
                    not GROWS.match(self.by_place[entry[0]].name)]
            if scene.dextd.poll() is not None:
                return ["dextd has ended:\n" + scene.log()[-2000:]]
            if not more and len(now) == len(before):
                return []
            if time.monotonic() > end:
                return [f"left behind in {pid}: {self.show(entry)}" for pid, entry in more] or ["a host has ended"]
            time.sleep(0.01)

    def show(self, more):
        if isinstance(more, str):
            return more
        point = self.by_place.get(more[0])
        return f"{more[1]} allocations of {point.name if point else more[0]}"

    def run_runtime_job(self, job):
        scene = self.scene(job.scenario)
        try:
            scene.page.arm(*faults_of(job), records=True)
            restarted = not scene.start()
            if restarted:
                problems = scene.ended_well()
                if problems:
                    return problems
                scene.start()
            app = scene.app(job.scenario, min(RUNTIME_ROUNDS, scene.setting.rounds))
            lines, status = [], 0
            lines = app.run()
            status = app.end()
            if scene.dextd.poll() is not None:
                problems = scene.ended_well()
                if problems or not scene.start():
                    return problems or ["dextd does not start again"]
                again = scene.app(job.scenario, 1)
                lines = again.run()
                status = again.end()
            problems = judge(lines, status, strict=False)
            if problems and status == 0:
                # What is still on its way back is there now.
                again = scene.app(job.scenario, 1)
                lines = again.run()
                problems = judge(lines, again.end(), strict=False)
            # What the registry or the driver's own Start has refused for good, and said so.
            if all("link->service" in problem for problem in problems) and REFUSED.search(scene.log()):
                problems = []
            if any(each.point.function in BLAMES for each in chain_of(job)) and \
                    all("BadArgument" in line for line in problems[:1]):
                problems = []
            if not problems and not leaves(job) and not restarted:
                problems = self.left_by_others(scene, job)
            ended = scene.stop()
            if ended != 0 and not (ended == 1 and scene.dextd.pid in scene.page.fired_pids()):
                problems.append(f"dextd ended with {ended}")
            self.note_ways(job, scene.page)
            if not all(scene.page.fired()[:len(faults_of(job))]):
                return None
            log = scene.log()
            # Which signals the scenario itself asks for is its own affair.
            killed = "was killed by signal (?!9 )|" if scene.setting.settles else ""
            if ABORTED.search(log) or len(chain_of(job)) > 1 and WORDS in job.point.line:
                killed = killed.replace("9", "[69]")
            for bad in re.findall(rf".*(?:{killed}Assertion|free\(\)|malloc).*", log):
                problems.append("log: " + bad)
            return problems and problems + ["log:\n" + log[-3000:]]
        finally:
            scene.close()

    def left_by_others(self, scene, job):
        """What is too much in the registry and the hosts, if all of them are those of the start."""
        if not scene.setting.settles or scene.dextd.poll() is not None or \
                len(scene.page.hosts()) != scene.setting.hosts:
            return []
        end = time.monotonic() + SETTLE_SEC
        while True:
            more = [(who, entry) for who, held, before in
                    zip(("dextd", "the hosts"), scene.held_by_kind(), self.others[job.scenario])
                    for entry in held.beyond(before)
                    if isinstance(entry, str) or not GROWS.match(self.by_place[entry[0]].name)]
            if not more:
                return []
            if time.monotonic() > end:
                return [f"left behind in {who}: {self.show(entry)}" for who, entry in more]
            time.sleep(0.01)

    def attempt(self, job, scene=None):
        for _ in range(ATTEMPTS):
            try:
                problems = self.run_app_job(scene, job) if scene is not None else self.run_runtime_job(job)
            except Failure as failure:
                problems = [str(failure)]
            if problems is not None:
                break
        with self.lock:
            self.runs += 1
            if problems is None:
                self.unfired.append(job)
                return True
            self.hit.add(job.point.name)
            if problems:
                self.failures.append((job, problems))
                print(f"# FAILED {describe(job)}")
                for problem in problems:
                    print("#   " + problem.rstrip().replace("\n", "\n#     "))
                sys.stdout.flush()
        return not problems

    def warm_scene(self, scenario):
        """One that all scenarios of its setting have run in."""
        scene = self.scene(scenario)
        if not scene.start():
            raise Failure("dextd does not start")
        scene.await_hosts()
        for other in self.counts:
            if self.settings[other] == self.settings[scenario] and scene.setting.settles:
                warm = scene.app(other, 1)
                warm.run()
                warm.end()
                scene.forget()
        scene.settle()
        return scene

    def work(self, queue, in_scene):
        scene, setting = None, None
        try:
            while True:
                with self.lock:
                    if not queue:
                        return
                    job = queue.pop()
                # A driver that is to end would be given up in one that goes on.
                if scene is not None and (self.settings[job.scenario] != setting or not scene.setting.settles):
                    scene.close()
                    scene = None
                if in_scene and scene is None:
                    scene, setting = self.warm_scene(job.scenario), self.settings[job.scenario]
                if not self.attempt(job, scene) and scene is not None:
                    scene.close()  # what it has is no measure any more
                    scene = None
        finally:
            if scene is not None:
                scene.close()

    def run(self, part):
        arguments = self.arguments
        for length in range(FAULTS):
            jobs = self.behind(part, length) if length > 0 else self.jobs(part)
            queue = [job for job in jobs if self.wanted(job)]
            if part == "app":
                self.for_each(self.refer, {job.scenario for job in queue} - self.references.keys())
            # All of the app's own points once.
            kept = [job for job in queue if part == "app" and length == 0 and job.number == 1]
            queue = [job for job in queue if job not in kept]
            random.Random(arguments.seed).shuffle(queue)
            queue = queue[:-(-len(queue) // arguments.share)] + kept
            if part == "runtime":
                self.for_each(self.refer_others, {job.scenario for job in queue} - self.others.keys())
            print(f"# {part}: {len(queue)} runs with {length + 1} faults", flush=True)
            self.in_parallel(lambda queue: self.work(queue, part == "app"), queue)

    def in_parallel(self, function, items):
        """`function` of a queue, on each worker. What ends one of them ends the run."""
        def work(queue):
            try:
                function(queue)
            except Exception:  # pylint: disable=broad-except
                with self.lock:
                    self.broken.append(traceback.format_exc())
        queue = list(items)
        threads = [threading.Thread(target=work, args=(queue,)) for _ in range(self.arguments.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.broken:
            raise SystemExit("# the run is broken: " + "".join(self.broken))

    def for_each(self, function, names):
        def work(queue):
            while True:
                with self.lock:
                    if not queue:
                        return
                    name = queue.pop()
                function(name)
        self.in_parallel(work, names)


def widest(one, other):
    one.live |= other.live
    one.fds |= other.fds
    one.maps = max(one.maps, other.maps)
    return one


def later(count):
    """Which executions but the first fail, too, of so many."""
    return sorted({n for n in (2, 3, 5, 9, 17, 40, 100, 250) if n <= count})


def leaves(job):
    return any(each.point.function in LEAVES or OPEN.match(each.point.name) for each in chain_of(job))


def describe(job):
    text = f"{job.point.name} {errno.errorcode[job.error]}, execution {job.number}"
    return f"{text}, after {describe(job.first)}" if job.first is not None else f"{text}, in '{job.scenario}'"


def judge(lines, status, strict):
    """What is wrong with what the app has written. Not strict: a host or the registry may have ended of it."""
    problems = [line for line in lines if line.startswith("wrong")]
    rounds = [re.match(r"round (\d+) (ok|refused) fired (\d+)", line) for line in lines]
    rounds = [found for found in rounds if found is not None]
    if status != 0:
        problems.append(f"the app ended with {status}")
    elif len(rounds) == 0 or lines[-1] != "done":
        problems.append("the app has not come to its end")
    before = 0
    for number, found in enumerate(rounds):
        if found.group(2) == "refused" and int(found.group(3)) == before and \
                (strict or number == len(rounds) - 1):
            problems.append("refused without a fault: " + lines[number])
        before = int(found.group(3))
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build")
    parser.add_argument("--part", choices=["app", "runtime", "all"], default="all")
    parser.add_argument("--share", type=int, default=1, help="of what is not a point of the app's library for the first time, "
                        "one in so many")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", help="points whose names match")
    parser.add_argument("--scenario", action="append")
    # A run mostly waits: for deadlines, and for processes to end.
    parser.add_argument("--workers", type=int, default=3 * len(os.sched_getaffinity(0)))
    parser.add_argument("--record", action="store_true", help="nothing fails; it is seen what is reached")
    arguments = parser.parse_args()
    # So that a host has something to raise.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most - 1), most))
    runner = Runner(arguments)
    for problem in runner.unknown:
        print("# " + problem)
    began = time.monotonic()
    runner.for_each(runner.record, arguments.scenario or runner.settings)
    places = runner.reached()
    runner.unreached = set(runner.by_place) - places
    reached = {runner.by_place[place].name for place in places}
    print(f"# {len(runner.points)} points, {len(reached)} reached; {time.monotonic() - began:.1f} s", flush=True)
    for part in ("app", "runtime"):
        if not arguments.record and arguments.part in (part, "all"):
            runner.run(part)
    return tell(runner, reached, began)


def tell(runner, reached, began):
    arguments, reasons = runner.arguments, listed()
    # Waking a futex, changing what is in an epoll set: the shim knows those uses.
    led_to = {runner.by_place[place].name for place, ways in runner.ways.items() if ways}
    cannot = runner.used - reached - led_to - runner.hit
    can = {name: point for name, point in runner.points.items() if name not in cannot}
    missing = sorted(can.keys() - (reached if arguments.record else runner.hit))
    excused = {name: reason_of(can[name], reasons) for name in missing}
    for name in missing:
        if arguments.record or arguments.part == "all" and arguments.share == 1:
            print(f"# not {'reached' if arguments.record else 'hit'}: {name}"
                  + (f" ({excused[name]})" if excused[name] else ""))
    print(f"# points: {len(runner.hit)} hit of {len(can)} existing, {sum(map(bool, excused.values()))} of the others "
          f"with a reason; {len(cannot)} more cannot fail as they are used; {runner.runs} runs, "
          f"{len(runner.unfired)} of them without the fault, {len(runner.failures)} failed; seed {arguments.seed}; "
          f"{time.monotonic() - began:.1f} s")
    return 1 if runner.failures or runner.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
