/* SPDX-License-Identifier: Apache-2.0 */
/* What `dext trace` shows of calls, completions and transfers, and that nobody waits for it. */
#include "echo.h"
#include "harness.h"
#include "queues.h"
#include "shell.h"

#define UNIT_TIMEOUT_SEC 120
#include "unit.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <IOKit/IODataQueueClient.h>
#include <mach/mach.h>

#define CALLS	    200u
#define COMPLETIONS 50u

static struct harness harness;
static char folder[] = "/tmp/dext-trace-XXXXXX";

/* A command that looks on at a driver, once it does; what it writes goes to FOLDER/name. */
static pid_t
look(const char *form, const char *name)
{
	char out[64], text[4096] = "";
	size_t used = 0;
	int ends[2];
	pid_t pid;

	snprintf(out, sizeof(out), "%s/%s", folder, name);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDERR_FILENO);
		execl(harness_bundle("DEXT"), "dext", "trace", "-o", out, form, NULL);
		_exit(127);
	}
	close(ends[1]);
	while (strstr(text, "dext trace: driver ") == NULL) {
		ssize_t got = read(ends[0], text + used, sizeof(text) - 1 - used);

		ck_assert_msg(got > 0, "dext trace: %s", text);
		used += (size_t)got;
		text[used] = '\0';
	}
	/* Stays open: further words are nobody's, and the end must not be SIGPIPE. */
	return pid;
}

static void
end_look(pid_t pid, int number)
{
	int status = -1;

	ck_assert_int_eq(kill(pid, number), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (number == SIGINT)
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

static void
begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("OUT", folder, 1);
}

static void
end(void)
{
	run("rm -r %s", folder);
	harness_stop(&harness);
}

/* --- what was written, as JSON --- */

static struct json_object *
read_lines(void)
{
	struct json_object *array = json_object_new_array();
	char path[64], *line = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/out", folder);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (getline(&line, &room, file) > 0) {
		struct json_object *object = json_tokener_parse(line);

		ck_assert_msg(object != NULL, "no JSON: %s", line);
		json_object_array_add(array, object);
	}
	free(line);
	fclose(file);
	return array;
}

static const char *
text_of(struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(object, key));

	return text != NULL ? text : "";
}

static int64_t
number_of(struct json_object *object, const char *key)
{
	struct json_object *value = json_object_object_get(object, key);

	ck_assert_msg(value != NULL && !json_object_is_type(value, json_type_null), "no %s in %s",
		      key, json_object_to_json_string(object));
	return json_object_get_int64(value);
}

/* How many events of that name there are, on that endpoint (-1: any); the sum of a key. */
static unsigned
count(struct json_object *array, const char *event, int endpoint, const char *key, int64_t *ret_sum)
{
	unsigned found = 0;

	if (ret_sum != NULL)
		*ret_sum = 0;
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *object = json_object_array_get_idx(array, i);

		if (strcmp(text_of(object, "event"), event) != 0 ||
		    (endpoint >= 0 && number_of(object, "endpoint") != endpoint))
			continue;
		found++;
		if (ret_sum != NULL)
			*ret_sum += number_of(object, key);
	}
	return found;
}

/*
 * Each beginning has exactly one end behind it, with the same place and id, and the other way
 * round; the times are those of the figures.
 */
static void
check_pairs(struct json_object *array, const char *began, const char *ended)
{
	size_t length = json_object_array_length(array);
	double last = 0;

	for (size_t i = 0; i < length; i++) {
		struct json_object *first = json_object_array_get_idx(array, i);
		double time = json_object_get_double(json_object_object_get(first, "time"));
		unsigned ends = 0;

		if (strcmp(text_of(first, "event"), "lost") == 0)
			ck_abort_msg("%s", json_object_to_json_string(first));
		if (strcmp(text_of(first, "event"), began) != 0)
			continue;
		/* Threads write, so their order may be another than that of the times, by a hair.
		 */
		ck_assert_double_ge(time, last - 0.01);
		last = time;
		for (size_t j = 0; j < length; j++) {
			struct json_object *second = json_object_array_get_idx(array, j);
			double then;

			if (strcmp(text_of(second, "event"), ended) != 0 ||
			    number_of(second, "place") != number_of(first, "place") ||
			    number_of(second, "id") != number_of(first, "id"))
				continue;
			ends++;
			ck_assert_uint_gt(j, i);
			then = json_object_get_double(json_object_object_get(second, "time"));
			ck_assert_double_ge(then, time);
			ck_assert_double_eq_tol(then - time,
						(double)number_of(second, "nsec") / 1e9, 1e-6);
		}
		ck_assert_msg(ends == 1, "%u ends of %s", ends, json_object_to_json_string(first));
	}
	ck_assert_uint_eq(count(array, began, -1, NULL, NULL), count(array, ended, -1, NULL, NULL));
}

/* --- tests --- */

static void
completed(void *refcon, IOReturn status, void **arguments, uint32_t count_)
{
	(*(unsigned *)refcon)++;
	if (*(unsigned *)refcon == COMPLETIONS)
		CFRunLoopStop(CFRunLoopGetCurrent());
}

static void
call_many(io_connect_t connect)
{
	for (uint64_t i = 0; i < CALLS; i++) {
		uint64_t output[2];
		uint32_t room = 2;

		ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_ECHO,
							   (const uint64_t[]){i, 7}, 2, output,
							   &room),
				 kIOReturnSuccess);
		ck_assert_uint_eq(output[0], i);
	}
}

static void
complete_many(io_connect_t connect)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	unsigned seen = 0;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	for (uint64_t i = 0; i < COMPLETIONS; i++) {
		uint64_t reference[8] = {0};

		reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)completed;
		reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)&seen;
		ck_assert_int_eq(IOConnectCallAsyncScalarMethod(
					 connect, ECHO_COMPLETE,
					 IONotificationPortGetMachPort(port), reference, 3,
					 (const uint64_t[]){i, 2, 3}, 3, NULL, NULL),
				 kIOReturnSuccess);
	}
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 20, false),
			 kCFRunLoopRunStopped);
	IONotificationPortDestroy(port);
}

START_TEST(calls_and_completions_appear_once)
{
	struct json_object *array;
	io_connect_t connect;
	int64_t sum;
	pid_t pid;

	begin();
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	pid = look("--json", "out");
	connect = harness_open("Echo", 3);
	call_many(connect);
	complete_many(connect);
	/* One that fails. */
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 99, NULL, 0, NULL, NULL),
			 kIOReturnUnsupported);
	IOServiceClose(connect);
	end_look(pid, SIGINT);
	array = read_lines();
	ck_assert_uint_eq(count(array, "opened", -1, NULL, NULL), 1);
	ck_assert_uint_eq(count(array, "closed", -1, NULL, NULL), 1);
	ck_assert_uint_eq(count(array, "call_began", -1, "process", &sum), CALLS + COMPLETIONS + 1);
	ck_assert_int_eq(sum, (int64_t)(CALLS + COMPLETIONS + 1) * getpid());
	ck_assert_uint_eq(count(array, "completion", -1, "count", &sum), COMPLETIONS);
	ck_assert_int_eq(sum, 3 * COMPLETIONS);
	count(array, "call_ended", -1, "status", &sum);
	ck_assert_int_eq(sum, kIOReturnUnsupported);
	check_pairs(array, "call_began", "call_ended");
	json_object_put(array);
	end();
}
END_TEST

static void
send_and_count(bool by_ring)
{
	struct json_object *array;
	int64_t sum;
	pid_t pid;

	begin();
	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						 "sink", NULL});
	pid = look("--json", "out");
	ck_assert_int_eq(run("head -c 1000000 /dev/zero | $DEXT send --json --size 64K %s -",
			     by_ring ? "" : "--calls"),
			 0);
	end_look(pid, SIGINT);
	array = read_lines();
	ck_assert_uint_eq(count(array, "transfer_began", 1, "length", &sum), 16);
	ck_assert_int_eq(sum, 1000000);
	ck_assert_uint_eq(count(array, "transfer_ended", 1, "actual", &sum), 16);
	ck_assert_int_eq(sum, 1000000);
	count(array, "transfer_ended", 1, "status", &sum);
	ck_assert_int_eq(sum, 0);
	/* An entry for each, both ways, or none. */
	count(array, "ring_taken", -1, "length", &sum);
	ck_assert_int_eq(sum, by_ring ? 16 : 0);
	count(array, "ring_given", -1, "length", &sum);
	ck_assert_int_eq(sum, by_ring ? 16 : 0);
	check_pairs(array, "transfer_began", "transfer_ended");
	check_pairs(array, "call_began", "call_ended");
	json_object_put(array);
	end();
}

START_TEST(transfers_by_calls_appear_once)
{
	send_and_count(false);
}
END_TEST

START_TEST(transfers_by_a_ring_appear_once)
{
	send_and_count(true);
}
END_TEST

static IODataQueueMemory *
map_queue(io_connect_t connect, uint32_t type)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	return (IODataQueueMemory *)(uintptr_t)address;
}

/* What the driver gives, and what it takes; that the app takes, its driver does not know. */
START_TEST(entries_of_data_queues_appear_once)
{
	int64_t sum, bytes = 0;
	struct json_object *array;
	IODataQueueMemory *in;
	io_connect_t connect;
	uint64_t done[3] = {0};
	pid_t pid;

	begin();
	harness_start(&harness, (const char *[]){harness_bundle("QUEUES_BUNDLE"), NULL});
	connect = harness_open("Queues", 0);
	map_queue(connect, QUEUES_CLASSIC_OUT);
	in = map_queue(connect, QUEUES_DISPATCH_IN);
	pid = look("--json", "out");
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, QUEUES_PRODUCE,
						   (uint64_t[]){QUEUES_CLASSIC_OUT, 20}, 2, NULL,
						   NULL),
			 kIOReturnSuccess);
	for (uint32_t i = 0; i < 20; i++) {
		uint8_t data[QUEUES_ENTRY_MAX];

		queues_fill(data, i);
		bytes += queues_size(i);
		ck_assert_int_eq(IODataQueueEnqueue(in, data, queues_size(i)), kIOReturnSuccess);
	}
	while (done[0] < 20) {
		uint32_t room = 3;

		ck_assert_int_eq(IOConnectCallScalarMethod(connect, QUEUES_STATUS,
							   (uint64_t[]){QUEUES_DISPATCH_IN}, 1,
							   done, &room),
				 kIOReturnSuccess);
	}
	end_look(pid, SIGINT);
	array = read_lines();
	ck_assert_uint_eq(count(array, "data_given", -1, "length", &sum), 20);
	ck_assert_int_eq(sum, bytes);
	ck_assert_uint_eq(count(array, "data_taken", -1, "length", &sum), 20);
	ck_assert_int_eq(sum, bytes);
	count(array, "data_taken", -1, "process", &sum);
	ck_assert_int_eq(sum, 20 * getpid());
	json_object_put(array);
	IOServiceClose(connect);
	end();
}
END_TEST

/* One that does nothing, for each who looks on. */
START_TEST(a_client_that_was_there_is_named)
{
	struct json_object *array;
	io_connect_t connect;
	int64_t process;
	pid_t pid;

	begin();
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	connect = harness_open("Echo", 0);
	for (unsigned i = 0; i < 2; i++) {
		pid = look("--json", "out");
		end_look(pid, SIGINT);
		array = read_lines();
		ck_assert_uint_eq(count(array, "was_open", -1, "process", &process), 1);
		ck_assert_int_eq(process, getpid());
		ck_assert_uint_eq(json_object_array_length(array), 1);
		json_object_put(array);
	}
	IOServiceClose(connect);
	pid = look("--json", "out");
	end_look(pid, SIGINT);
	array = read_lines();
	ck_assert_uint_eq(json_object_array_length(array), 0);
	json_object_put(array);
	end();
}
END_TEST

/* Chrome's format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
START_TEST(the_picture_is_whole)
{
	struct json_object *root, *array;
	unsigned begins = 0, names = 0, moments = 0;
	io_connect_t connect;
	char path[64];
	pid_t pid;

	begin();
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	pid = look("--chrome", "out");
	connect = harness_open("Echo", 0);
	call_many(connect);
	complete_many(connect);
	IOServiceClose(connect);
	end_look(pid, SIGINT);
	snprintf(path, sizeof(path), "%s/out", folder);
	root = json_object_from_file(path);
	ck_assert_ptr_nonnull(root);
	array = json_object_object_get(root, "traceEvents");
	ck_assert(json_object_is_type(array, json_type_array));
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *event = json_object_array_get_idx(array, i), *next;
		const char *phase = text_of(event, "ph");

		ck_assert_str_ne(text_of(event, "name"), "");
		ck_assert_int_ge(number_of(event, "pid"), 1);
		ck_assert_int_ge(number_of(event, "tid"), 0);
		if (strcmp(phase, "M") == 0) {
			names++;
			continue;
		}
		ck_assert_double_gt(json_object_get_double(json_object_object_get(event, "ts")), 0);
		ck_assert_str_ne(text_of(event, "cat"), "");
		if (strcmp(phase, "i") == 0) {
			moments++;
			continue;
		}
		/* A pair follows each other. */
		ck_assert_str_eq(phase, "b");
		next = json_object_array_get_idx(array, ++i);
		ck_assert_str_eq(text_of(next, "ph"), "e");
		ck_assert_str_eq(text_of(next, "id"), text_of(event, "id"));
		ck_assert_str_eq(text_of(next, "cat"), text_of(event, "cat"));
		ck_assert_double_ge(json_object_get_double(json_object_object_get(next, "ts")),
				    json_object_get_double(json_object_object_get(event, "ts")));
		begins++;
	}
	ck_assert_uint_eq(begins, CALLS + COMPLETIONS);
	ck_assert_uint_eq(moments, COMPLETIONS + 2); /* opened, closed */
	ck_assert_uint_eq(names, 2);
	json_object_put(root);
	end();
}
END_TEST

/* Killed, or stopped for longer than the ring lasts: the driver does not notice. */
START_TEST(nobody_waits_for_who_looks)
{
	io_connect_t connect;
	pid_t pid, other;

	begin();
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	connect = harness_open("Echo", 0);
	pid = look("--json", "out");
	end_look(pid, SIGKILL);
	call_many(connect);
	pid = look("--json", "out");
	other = look("--json", "other");
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	/* Two events each, and 262,144 places for them. */
	for (unsigned i = 0; i < 140000 / CALLS; i++)
		call_many(connect);
	end_look(other, SIGKILL);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	end_look(pid, SIGINT);
	ck_assert_int_eq(run("grep -q '\"event\":\"lost\"' $OUT/out"), 0);
	IOServiceClose(connect);
	end();
}
END_TEST

START_TEST(it_ends_as_it_is_told)
{
	begin();
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"),
						 harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						 "source", NULL});
	ck_assert_int_eq(run("$DEXT recv /dev/null & "
			     "$DEXT trace --count 100 org.opendext.bulkstream; result=$?; "
			     "kill $!; wait $!; exit $result"),
			 0);
	check_said("in 0x81");
	check_said("dext trace: 100 events, 0 lost");
	ck_assert_int_eq(run("$DEXT trace --seconds 1 Echo"), 0);
	check_said("org.opendext.test.echo on none");
	ck_assert_int_eq(run("$DEXT trace NoSuchDriver"), 3);
	check_said("there is no driver 'NoSuchDriver'");
	ck_assert_int_eq(run("$DEXT trace --json --chrome"), 2);
	ck_assert_int_eq(run("$DEXT trace --count 0"), 2);
	ck_assert_int_eq(run("$DEXT recv /dev/null & "
			     "$DEXT trace -o /dev/full --count 1 --json org.opendext.bulkstream; "
			     "result=$?; kill $!; wait $!; exit $result"),
			 7);
	end();
}
END_TEST

UNIT_MAIN("trace", calls_and_completions_appear_once, transfers_by_calls_appear_once,
	  transfers_by_a_ring_appear_once, entries_of_data_queues_appear_once,
	  a_client_that_was_there_is_named, the_picture_is_whole, nobody_waits_for_who_looks,
	  it_ends_as_it_is_told)
