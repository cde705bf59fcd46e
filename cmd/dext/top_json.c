/* SPDX-License-Identifier: Apache-2.0 */
/* A report as one line of JSON; see top.h. The keys are on the page, dext(1). */
#include "top.h"

#include "status.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static void
add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)number));
}

static void
add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text[0] != '\0' ? json_object_new_string(text) : NULL);
}

static void
add_rate(struct json_object *object, const char *key, double rate)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", rate);
	json_object_object_add(object, key, json_object_new_double_s(rate, text));
}

/* In nanoseconds, of what has ended since the last report; null: nothing has. */
static void
add_latency(struct json_object *object, const struct top_counters *step)
{
	static const struct {
		const char *key;
		double percent;
	} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}};
	struct json_object *latency = NULL;

	if (step->ended != 0) {
		latency = json_object_new_object();
		add_number(latency, "mean", step->spent / step->ended);
		for (unsigned i = 0; i < 4; i++)
			add_number(latency, percentiles[i].key,
				   top_percentile(step, percentiles[i].percent));
	}
	json_object_object_add(object, "latencyNsec", latency);
}

static void
add_limits(struct json_object *object, const struct top_driver *driver,
	   const struct top_place *place)
{
	struct json_object *all = json_object_new_object(), *one;
	struct top_limit limits[TOP_LIMITS_MAX];
	unsigned count = top_limits(driver, place, limits);

	for (unsigned i = 0; i < count; i++) {
		one = json_object_new_object();
		add_number(one, "used", limits[i].used);
		add_number(one, "limit", limits[i].limit);
		json_object_object_add(all, limits[i].name, one);
	}
	json_object_object_add(object, "limits", all);
}

/* Of a client, or of all of a driver. */
static void
add_calls(struct json_object *object, const struct top *top, const struct top_counters *step,
	  const struct top_counters *total)
{
	double seconds = top->seconds > 0 ? top->seconds : 1;

	add_rate(object, "callsPerSecond", (double)step->ended / seconds);
	add_rate(object, "entriesPerSecond", (double)step->entries[0] / seconds);
	add_rate(object, "completionsPerSecond", (double)step->completions / seconds);
	add_number(object, "calls", total->ended);
	add_number(object, "failedCalls", total->failed);
	add_number(object, "structureBytes", total->bytes);
	add_number(object, "completions", total->completions);
	add_number(object, "entriesTaken", total->entries[0]);
	add_number(object, "entriesGiven", total->entries[1]);
}

/* Of a pipe, or of all of a driver. */
static void
add_transfers(struct json_object *object, const struct top *top, const struct top_counters *step,
	      const struct top_counters *total)
{
	double seconds = top->seconds > 0 ? top->seconds : 1;

	add_rate(object, "mibPerSecond", (double)step->bytes / seconds / 1048576);
	add_rate(object, "transfersPerSecond", (double)step->ended / seconds);
	add_number(object, "transfers", total->ended);
	add_number(object, "failedTransfers", total->failed);
	add_number(object, "bytes", total->bytes);
}

static struct json_object *
make_client(const struct top *top, const struct top_row *row)
{
	const struct top_place *place = row->place;
	struct json_object *object = json_object_new_object();

	add_number(object, "process", (uint64_t)place->owner.pid);
	add_text(object, "command", place->command);
	add_number(object, "user", place->owner.uid);
	add_text(object, "class", place->owner.name);
	add_number(object, "type", place->owner.type);
	add_calls(object, top, &place->step, &place->total);
	add_number(object, "callsInFlight", place->in_flight);
	add_number(object, "completionsWaiting", place->waiting);
	add_latency(object, &place->step);
	add_rate(object, "queue", top_queue(top, row));
	add_limits(object, row->driver, place);
	return object;
}

static struct json_object *
make_pipe(const struct top *top, const struct top_row *row)
{
	const struct top_place *place = row->place;
	static const char *const types[] = {"control", "isochronous", "bulk", "interrupt"};
	struct json_object *object = json_object_new_object();

	add_number(object, "endpoint", place->owner.endpoint);
	add_text(object, "direction",
		 place->owner.endpoint == 0	       ? ""
		 : (place->owner.endpoint & 0x80) != 0 ? "in"
						       : "out");
	add_text(object, "type",
		 place->owner.endpoint == 0 ? types[0] : types[place->owner.transfers & 3]);
	add_number(object, "interface", place->owner.interface);
	add_transfers(object, top, &place->step, &place->total);
	add_number(object, "transfersInFlight", place->in_flight);
	add_number(object, "transfersWaiting", place->waiting);
	add_latency(object, &place->step);
	add_rate(object, "queue", top_queue(top, row));
	return object;
}

/* "": it is, and what it does counts. */
static const char *
why_not_looked_at(const struct top_driver *driver)
{
	switch (driver->view) {
	case TOP_LOOKS:
		return "";
	case TOP_REFUSED:
		return status_string(driver->refusal);
	case TOP_WAITS:
		return "its process has not answered yet";
	default:
		return "it has no process that could be asked";
	}
}

static struct json_object *
make_driver(const struct top *top, const struct top_row *row)
{
	const struct top_driver *driver = row->driver;
	struct json_object *object = json_object_new_object();

	add_number(object, "number", driver->number);
	add_text(object, "class", driver->class_name);
	add_text(object, "bundle", driver->bundle);
	add_text(object, "device", driver->device);
	add_text(object, "state", driver->state);
	add_text(object, "reason", driver->reason);
	add_number(object, "process", (uint64_t)driver->process);
	add_number(object, "crashes", driver->crashes);
	add_text(object, "refused", why_not_looked_at(driver));
	if (driver->cpu >= 0)
		add_rate(object, "cpuPercent", driver->cpu);
	else
		json_object_object_add(object, "cpuPercent", NULL);
	add_number(object, "memoryBytes", driver->memory);
	add_calls(object, top, &driver->calls_step, &driver->calls_total);
	add_number(object, "callsInFlight", driver->calls_in_flight);
	add_latency(object, &driver->calls_step);
	add_transfers(object, top, &driver->transfers_step, &driver->transfers_total);
	add_number(object, "transfersInFlight", driver->transfers_in_flight);
	add_rate(object, "queue", top_queue(top, row));
	add_limits(object, driver, NULL);
	json_object_object_add(object, "clients", json_object_new_array());
	json_object_object_add(object, "pipes", json_object_new_array());
	return object;
}

void
top_print_json(FILE *to, const struct top *top, enum top_sort sort)
{
	struct json_object *report = json_object_new_object(), *drivers = json_object_new_array();
	struct json_object *driver = NULL;
	size_t count = 0;
	struct top_row *rows = top_rows(top, sort, &count);
	struct timeval now;

	gettimeofday(&now, NULL);
	add_rate(report, "time", (double)now.tv_sec + (double)now.tv_usec / 1e6);
	add_rate(report, "seconds", top->seconds);
	json_object_object_add(report, "drivers", drivers);
	for (size_t i = 0; rows != NULL && i < count; i++) {
		const struct top_place *place = rows[i].place;

		if (place == NULL) {
			driver = make_driver(top, &rows[i]);
			json_object_array_add(drivers, driver);
		} else if (place->owner.kind == TRACE_CLIENT) {
			json_object_array_add(json_object_object_get(driver, "clients"),
					      make_client(top, &rows[i]));
		} else {
			json_object_array_add(json_object_object_get(driver, "pipes"),
					      make_pipe(top, &rows[i]));
		}
	}
	free(rows);
	fprintf(to, "%s\n",
		json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(report);
}
