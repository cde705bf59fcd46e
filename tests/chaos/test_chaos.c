/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chaos run: apps that stream, and apps, hosts and registries that are killed by SIGKILL at
 * random instants, devices that are unplugged, stall and go, processes that stand still.
 *
 *	CHAOS_TIME	seconds; 4 if not set
 *	CHAOS_SEED	repeats the choices of a run; the instants are the machine's
 *
 * The time goes in rounds, in turn with a dextd whose hosts outlive it (as root) and with a
 * `dext run` whose hosts end with it. What a round has started it ends in order, and then nothing
 * may be held that was not held before. The apps check their transfers (app.c, stream.c).
 */
#define UNIT_TIMEOUT_SEC (60 * 60 * 24)
#include "daemon.h"
#include "keeper.h"
#include "places.h"
#include "plugging.h"
#include "seat.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define SEATS	      5u
#define STEADY	      0u /* a device and a host that stay, with a registry that keeps hosts */
#define TIME_DEFAULT  4u
#define ROUND_LONGEST 20u
#define PAUSE_USEC    40000u
#define STOPPED_USEC  20000u
#define HOST_KILLS    3u /* of one device: the fifth would be the last */
#define NSEC	      UINT64_C(1000000000)
#define KEEP	      ((const char *[]){"--allow-virtual", "--keep-hosts", "900", NULL})

enum victim { APP, HOST, REGISTRY, VICTIMS };

static const char *const victim_names[VICTIMS] = {"apps", "hosts", "registries"};

static struct {
	struct seat seats[SEATS];
	bool keeps; /* this round's registry is a dextd with a descriptor store */
	struct daemon dextd;
	struct harness embedded;
	struct keeper keeper;
	pid_t registry;
	char apps_log[64];
	uint64_t kills[VICTIMS], under_way[VICTIMS], unplugs, stops;
	uint64_t registry_longest;
	unsigned rounds;
} run;

struct held {
	unsigned descriptors, maps, host_descriptors, host_maps, kept, mine;
};

/* --- the registry --- */

static void
start_registry(void)
{
	if (run.keeps) {
		if (!run.dextd.folder[0]) {
			ck_assert(daemon_prepare(&run.dextd, 0));
			keeper_start(&run.keeper, &run.dextd, KEEPER_MAX);
			daemon_drop(&run.dextd, harness_bundle("BULKSTREAM_BUNDLE"),
				    "bulkstream.dext", NULL);
		}
		daemon_start(&run.dextd, KEEP);
		run.registry = run.dextd.harness.pid;
	} else {
		harness_start(&run.embedded,
			      (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), NULL});
		run.registry = run.embedded.pid;
	}
	plug_elsewhere();
}

static bool
is_alone(void *context)
{
	return seat_reap(run.seats, SEATS, run.registry);
}

/* What is not to be in a log of a round, whatever was killed. */
static void
check_log(const char *path)
{
	static const char *const bad[] = {"Sanitizer",
					  "runtime error",
					  "broke the",
					  "giving up",
					  "does not end and is killed",
					  "ssertion"};
	FILE *file = fopen(path, "re");
	char line[1024];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *signal = strstr(line, "was killed by signal ");

		ck_assert_msg(signal == NULL || strstr(signal, "signal 9 ") != NULL, "%s", line);
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			ck_assert_msg(strstr(line, bad[i]) == NULL, "%s: %s", path, line);
	}
	if (file != NULL)
		fclose(file);
}

static void
stop_registry(void)
{
	check_log(run.keeps ? run.dextd.harness.log_path : run.embedded.log_path);
	check_log(run.apps_log);
	if (run.keeps) {
		ck_assert_int_eq(daemon_stop(&run.dextd), 0);
		keeper_end(&run.keeper);
		run.dextd = (struct daemon){0};
	} else {
		ck_assert_int_eq(harness_stop(&run.embedded), 0);
	}
	run.registry = 0;
	ck_assert_msg(harness_until(is_alone, NULL), "hosts are left");
	unlink(run.apps_log);
}

static void
remove_embedded(void)
{
	char command[600];

	check_log(run.embedded.log_path);
	unlink(run.embedded.log_path);
	close(run.embedded.output);
	snprintf(command, sizeof(command), "rm -rf '%s'", run.embedded.runtime_dir);
	ck_assert_int_eq(daemon_as(geteuid(), 0, command), 0);
}

static void
kill_embedded(void)
{
	for (unsigned i = 0; i < SEATS; i++) {
		seat_host_dies(&run.seats[i]);
		run.seats[i].ledger->device = 0;
	}
	ck_assert_int_eq(kill(run.registry, SIGKILL), 0);
	ck_assert_int_eq(waitpid(run.registry, NULL, 0), run.registry);
	run.registry = 0;
	/* Its hosts end with it. */
	ck_assert_msg(harness_until(is_alone, NULL), "hosts are left");
	for (unsigned i = 0; i < SEATS; i++)
		run.seats[i].ledger->kills++;
	remove_embedded();
}

static bool
some_is_under_way(void)
{
	for (unsigned i = 0; i < SEATS; i++)
		if (seat_is_under_way(&run.seats[i]))
			return true;
	return false;
}

static void
count_kill(enum victim victim, bool under_way)
{
	run.kills[victim]++;
	run.under_way[victim] += under_way;
}

static void
kill_app(struct seat *seat)
{
	count_kill(APP, seat_kill_app(seat));
	seat_start_app(seat, run.apps_log);
}

static void
kill_registry(void)
{
	struct seat *other = &run.seats[1 + seat_dice(SEATS - 1)];
	bool under_way = some_is_under_way();
	uint64_t since;

	for (unsigned i = 0; i < SEATS; i++)
		run.seats[i].ledger->registries++;
	if (run.keeps)
		daemon_kill(&run.dextd);
	else
		kill_embedded();
	count_kill(REGISTRY, under_way);
	/* Something happens while there is none. */
	if (run.keeps && seat_dice(3) == 0 && seat_kill_host(other, run.registry, &under_way))
		count_kill(HOST, under_way);
	if (seat_dice(3) == 0)
		kill_app(other);
	since = ledger_now();
	start_registry();
	ledger_waited(&run.seats[0].ledger->totals, WAIT_REGISTRY, since);
	for (unsigned i = 0; i < SEATS && !run.keeps; i++)
		seat_plug(&run.seats[i], false);
	for (unsigned i = 0; i < SEATS; i++)
		run.seats[i].ledger->registries++;
}

/* --- what happens --- */

static void
replug(struct seat *seat)
{
	seat_unplug(seat);
	run.unplugs++;
	seat_plug(seat, false);
}

static void
kill_host(struct seat *seat)
{
	bool under_way;

	if (!seat_kill_host(seat, run.registry, &under_way))
		return;
	count_kill(HOST, under_way);
	if (seat->kills >= HOST_KILLS || seat_dice(4) == 0)
		replug(seat);
}

static void
stand_still(struct seat *seat)
{
	ck_assert_int_eq(kill(seat->app, SIGSTOP), 0);
	usleep(seat_dice(STOPPED_USEC));
	ck_assert_int_eq(kill(seat->app, SIGCONT), 0);
	run.stops++;
}

/* One thing, to one that has something under way if there is one. */
static void
do_one(void)
{
	unsigned dice = seat_dice(100);
	bool steady = run.keeps && dice >= 45; /* only its apps are killed */
	struct seat *seat = NULL;

	for (unsigned tries = 0; tries < 8; tries++) {
		seat = &run.seats[steady ? 1 + seat_dice(SEATS - 1) : seat_dice(SEATS)];
		if (seat_is_under_way(seat))
			break;
	}
	if (dice < 45)
		kill_app(seat);
	else if (dice < 80)
		kill_host(seat);
	else if (dice < 86)
		replug(seat);
	else if (dice < 89)
		kill_registry();
	else
		stand_still(seat);
}

/* --- a round --- */

static void
look(struct held *held, pid_t host)
{
	*held = (struct held){
		.descriptors = count_descriptors(run.registry),
		.maps = count_memfd_maps(run.registry),
		.host_descriptors = host > 0 ? count_descriptors(host) : 0,
		.host_maps = host > 0 ? count_memfd_maps(host) : 0,
		.mine = count_descriptors(getpid()),
	};
	if (run.keeps) {
		keeper_settle(&run.keeper);
		held->kept = keeper_count(&run.keeper);
	}
}

static struct {
	struct held before, now;
	pid_t host;
} check;

/* A dextd that has adopted has the store's descriptors as its own: not more than those. */
static bool
is_as_before(void *context)
{
	look(&check.now, check.host);
	return check.now.descriptors <= check.before.descriptors &&
	       check.now.maps <= check.before.maps &&
	       check.now.host_descriptors <= check.before.host_descriptors &&
	       check.now.host_maps <= check.before.host_maps &&
	       check.now.kept <= check.before.kept && check.now.mine <= check.before.mine;
}

static void
end_app(struct seat *seat)
{
	seat->ledger->stop = 1;
	seat_end_app(seat);
	seat_end_orphan(seat);
	seat->ledger->stop = 0;
}

static bool
has_host(void *context)
{
	const struct seat *seat = context;

	return seat->ledger->host > 0;
}

static void
begin_round(void)
{
	snprintf(run.apps_log, sizeof(run.apps_log), "/tmp/opendext-chaos-%d", (int)getpid());
	start_registry();
	/* One app has been there before what is held is taken down: what is made once is there. */
	seat_plug(&run.seats[STEADY], true);
	seat_start_app(&run.seats[STEADY], run.apps_log);
	ck_assert_msg(harness_until(has_host, &run.seats[STEADY]), "%s",
		      run.seats[STEADY].ledger->failure);
	check.host = run.keeps ? run.seats[STEADY].ledger->host : 0;
	end_app(&run.seats[STEADY]);
	look(&check.before, check.host);
	for (unsigned i = 0; i < SEATS; i++) {
		if (i != STEADY)
			seat_plug(&run.seats[i], false);
		seat_start_app(&run.seats[i], run.apps_log);
	}
}

static void
end_round(void)
{
	for (unsigned i = 0; i < SEATS; i++)
		run.seats[i].ledger->stop = 1;
	for (unsigned i = 0; i < SEATS; i++)
		end_app(&run.seats[i]);
	for (unsigned i = 1; i < SEATS; i++)
		seat_unplug(&run.seats[i]);
	ck_assert_msg(harness_until(is_as_before, NULL),
		      "held before, and now: %u %u descriptors, %u %u mappings of the registry; "
		      "%u %u, %u %u of a host; %u %u in the store; %u %u of the test",
		      check.before.descriptors, check.now.descriptors, check.before.maps,
		      check.now.maps, check.before.host_descriptors, check.now.host_descriptors,
		      check.before.host_maps, check.now.host_maps, check.before.kept,
		      check.now.kept, check.before.mine, check.now.mine);
	seat_unplug(&run.seats[STEADY]);
	stop_registry();
	run.rounds++;
}

static void
play_round(uint64_t nsec)
{
	uint64_t until;

	begin_round();
	until = ledger_now() + nsec;
	while (ledger_now() < until) {
		usleep(seat_dice(PAUSE_USEC));
		do_one();
		for (unsigned i = 0; i < SEATS; i++) {
			seat_check(&run.seats[i]);
			if (seat_has_lost_its_device(&run.seats[i]))
				replug(&run.seats[i]);
		}
		seat_reap(run.seats, SEATS, run.registry);
	}
	end_round();
}

/* --- the report --- */

static uint64_t
number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 0) : otherwise;
}

#define SUM(sum, field)                                             \
	do {                                                        \
		for (unsigned i = 0; i < SEATS; i++)                \
			(sum) += run.seats[i].ledger->totals.field; \
	} while (0)

static void
report(uint64_t seconds)
{
	uint64_t all = 0, busy = 0, transfers = 0, completions = 0, good = 0, stalled = 0,
		 failed = 0, lost = 0, bytes = 0, compared = 0, inherited = 0, opens = 0;

	SUM(transfers, transfers);
	SUM(completions, completions);
	SUM(good, succeeded);
	SUM(stalled, stalled);
	SUM(failed, failed);
	SUM(lost, lost);
	SUM(bytes, bytes);
	SUM(compared, compared);
	SUM(inherited, inherited);
	SUM(opens, opens);
	for (unsigned i = 0; i < VICTIMS; i++) {
		all += run.kills[i];
		busy += run.under_way[i];
		printf("# chaos: %llu %s killed, %llu with transfers under way\n",
		       (unsigned long long)run.kills[i], victim_names[i],
		       (unsigned long long)run.under_way[i]);
	}
	printf("# chaos: %llu kills in %llu s and %u rounds, %llu with transfers under way; %llu "
	       "devices unplugged, %llu apps stopped for a while\n",
	       (unsigned long long)all, (unsigned long long)seconds, run.rounds,
	       (unsigned long long)busy, (unsigned long long)run.unplugs,
	       (unsigned long long)run.stops);
	printf("# chaos: %llu opens, %llu transfers, %llu completions (%llu good, %llu stalled, "
	       "%llu ended early), %llu lost with their host, %llu MiB\n",
	       (unsigned long long)opens, (unsigned long long)transfers,
	       (unsigned long long)completions, (unsigned long long)good,
	       (unsigned long long)stalled, (unsigned long long)failed, (unsigned long long)lost,
	       (unsigned long long)(bytes >> 20));
	printf("# chaos: compared %llu times with what the device has seen, %llu times that of an "
	       "app that was killed\n",
	       (unsigned long long)compared, (unsigned long long)inherited);
	for (unsigned wait = 0; wait < WAITS; wait++) {
		uint64_t longest = 0;

		for (unsigned i = 0; i < SEATS; i++)
			if (run.seats[i].ledger->totals.longest[wait] > longest)
				longest = run.seats[i].ledger->totals.longest[wait];
		printf("# chaos: longest wait for %s: %.1f ms (bound %u s)\n", wait_names[wait],
		       (double)longest / 1e6, wait_bounds[wait]);
	}
	fflush(stdout);
	ck_assert_uint_ge(busy * 2, all);
}

START_TEST(everything_ends_well)
{
	uint64_t seconds = number_of("CHAOS_TIME", TIME_DEFAULT);
	uint64_t seed = number_of("CHAOS_SEED", ledger_now() ^ (uint64_t)getpid());
	uint64_t round = seconds > 2 * ROUND_LONGEST ? ROUND_LONGEST * NSEC : seconds * NSEC / 2;
	uint64_t began = ledger_now();
	bool root = geteuid() == 0;

	printf("# chaos: CHAOS_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	seat_seed(seed);
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (unsigned i = 0; i < SEATS; i++)
		seat_create(&run.seats[i]);
	while (ledger_now() - began < seconds * NSEC) {
		run.keeps = root && !run.keeps;
		play_round(round);
		if (seconds >= 60 && run.rounds % 6 == 0)
			report((ledger_now() - began) / NSEC);
	}
	report((ledger_now() - began) / NSEC);
	for (unsigned i = 0; i < SEATS; i++)
		seat_destroy(&run.seats[i]);
}
END_TEST

UNIT_MAIN("chaos", everything_ends_well)
