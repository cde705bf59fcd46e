/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows there are, and in which order: a driver, its clients, its pipes; see top.h. */
#include "top.h"

#include "bounds.h"

#include <stdlib.h>
#include <string.h>

const char *const top_sort_names[TOP_SORTS] = {"bytes", "calls", "cpu", "latency", "name"};

unsigned
top_limits(const struct top_driver *driver, const struct top_place *place,
	   struct top_limit limits[TOP_LIMITS_MAX])
{
	const uint64_t *most = driver->most;

	if (place == NULL) {
		limits[0] = (struct top_limit){"clients", driver->clients, most[LIMIT_CONNECTIONS]};
		limits[1] =
			(struct top_limit){"buffers", driver->buffers, most[LIMIT_BUFFERS_HOST]};
		return 2;
	}
	if (place->owner.kind != TRACE_CLIENT)
		return 0;
	limits[0] = (struct top_limit){"calls", place->in_flight, DEXT_LIMIT_CALLS};
	limits[1] = (struct top_limit){"completions", place->waiting, most[LIMIT_COMPLETIONS]};
	limits[2] = (struct top_limit){"buffers", place->buffers, most[LIMIT_BUFFERS_CLIENT]};
	limits[3] =
		(struct top_limit){"mapped", place->mapped_bytes, most[LIMIT_MAPPED_BYTES], true};
	limits[4] = (struct top_limit){"kept", place->kept_bytes, most[LIMIT_PEER_BYTES], true};
	limits[5] = (struct top_limit){"registrations", place->registrations, most[LIMIT_ASYNC]};
	return 6;
}

/* --- rows --- */

const struct top_counters *
top_row_step(const struct top_row *row)
{
	return row->place != NULL ? &row->place->step : &row->driver->transfers_step;
}

static double
weight(const struct top_row *row, enum top_sort sort)
{
	const struct top_driver *driver = row->driver;

	switch (sort) {
	case TOP_BY_CALLS:
		if (row->place != NULL)
			return (double)(row->place->step.ended + row->place->step.entries[0]);
		return (double)(driver->calls_step.ended + driver->calls_step.entries[0]);
	case TOP_BY_CPU:
		return row->place == NULL ? driver->cpu : 0;
	case TOP_BY_LATENCY:
		return (double)top_percentile(
			row->place != NULL ? &row->place->step : &driver->calls_step, 99);
	default:
		return (double)top_row_step(row)->bytes;
	}
}

/* Time spent by all in a second is how many there were, on the average; what has not ended counts
 * as it is now. */
static double
queue_of(const struct top *top, const struct top_counters *step, uint32_t in_flight)
{
	return step->ended == 0 || top->seconds <= 0 ? (double)in_flight
						     : (double)step->spent / (top->seconds * 1e9);
}

double
top_queue(const struct top *top, const struct top_row *row)
{
	const struct top_driver *driver = row->driver;

	if (row->place != NULL)
		return queue_of(top, &row->place->step, row->place->in_flight);
	return queue_of(top, &driver->calls_step, driver->calls_in_flight) +
	       queue_of(top, &driver->transfers_step, driver->transfers_in_flight);
}

static enum top_sort sort_wanted; /* of the comparison below, which has no argument for it */

static int
compare_places(const struct top_place *left, const struct top_place *right)
{
	if (left->owner.kind != right->owner.kind)
		return left->owner.kind < right->owner.kind ? -1 : 1;
	if (left->owner.since != right->owner.since)
		return left->owner.since < right->owner.since ? -1 : 1;
	return left < right ? -1 : left > right;
}

/* Within one driver: clients before pipes. */
static int
compare(const void *left_row, const void *right_row)
{
	const struct top_row *left = left_row, *right = right_row;
	double difference = 0;

	if (left->place != NULL && left->place->owner.kind != right->place->owner.kind)
		return compare_places(left->place, right->place);
	if (sort_wanted != TOP_BY_NAME)
		difference = weight(right, sort_wanted) - weight(left, sort_wanted);
	if (difference != 0)
		return difference < 0 ? -1 : 1;
	if (left->place != NULL)
		return compare_places(left->place, right->place);
	if (sort_wanted == TOP_BY_NAME &&
	    strcmp(left->driver->class_name, right->driver->class_name))
		return strcmp(left->driver->class_name, right->driver->class_name);
	return left->driver->number < right->driver->number ? -1 : 1;
}

static size_t
add_places(struct top_row *rows, const struct top_driver *driver)
{
	size_t count = 0;

	for (uint32_t i = 0; driver->places != NULL && i < TRACE_PLACES; i++) {
		const struct top_place *place = &driver->places[i];

		if (place->there &&
		    (place->owner.kind == TRACE_CLIENT || place->owner.kind == TRACE_PIPE))
			rows[count++] = (struct top_row){driver, place};
	}
	qsort(rows, count, sizeof(*rows), compare);
	return count;
}

struct top_row *
top_rows(const struct top *top, enum top_sort sort, size_t *ret_count)
{
	size_t drivers = 0, count = 0;
	struct top_row *order, *rows;

	for (const struct top_driver *driver = top->drivers; driver != NULL; driver = driver->next)
		drivers++;
	order = malloc((drivers + 1) * sizeof(*order));
	rows = malloc((drivers * (TRACE_PLACES + 1) + 1) * sizeof(*rows));
	if (order == NULL || rows == NULL) {
		free(order);
		free(rows);
		return NULL;
	}
	drivers = 0;
	for (const struct top_driver *driver = top->drivers; driver != NULL; driver = driver->next)
		order[drivers++] = (struct top_row){driver, NULL};
	sort_wanted = sort;
	qsort(order, drivers, sizeof(*order), compare);
	for (size_t i = 0; i < drivers; i++) {
		rows[count++] = order[i];
		count += add_places(rows + count, order[i].driver);
	}
	free(order);
	*ret_count = count;
	return rows;
}
