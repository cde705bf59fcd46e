/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario of the fault injection: what an app does, some part of which may be refused. It gives
 * back whatever it has got, and is tried again in the same process when the fault is over:
 *
 *	static bool
 *	try_it(struct link *link)
 *	{
 *		TRY(IOServiceOpen(...));	refused: false, with a status that says so
 *		HAVE(IOServiceMatching(...));	likewise, by a null pointer
 *		CHECK(answer == 4);		wrong data: the run has failed
 *		return true;
 *	}
 */
#ifndef TESTS_FAULTS_ATTEMPT_H
#define TESTS_FAULTS_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

#define DEADLINE_MSEC 8000

struct scenario {
	const char *name;
	bool (*run)(void);
	const char *setting; /* of settings.py; NULL: "plain" */
};

extern const struct scenario scenarios_calls[], scenarios_memory[], scenarios_events[];
extern const struct scenario scenarios_local[], scenarios_words[];
extern const struct scenario scenarios_devices[], scenarios_registry[];
extern const struct scenario scenarios_loops[], scenarios_rules[];

#define TRY(call)                                  \
	do {                                       \
		if (!attempt_tried(#call, (call))) \
			return false;              \
	} while (0)
#define HAVE(pointer)                                          \
	do {                                                   \
		if (!attempt_had(#pointer, (pointer) != NULL)) \
			return false;                          \
	} while (0)
/* Of a name of an object: it is 0. */
#define NAMES(name)                                   \
	do {                                          \
		if (!attempt_had(#name, (name) != 0)) \
			return false;                 \
	} while (0)
#define CHECK(condition)                                               \
	do {                                                           \
		if (!(condition))                                      \
			attempt_wrong(__FILE__, __LINE__, #condition); \
	} while (0)

/* Whether it is a success. A status that blames the caller, or that is none, fails the run. */
bool attempt_tried(const char *call, kern_return_t status);
bool attempt_had(const char *what, bool there);
_Noreturn void attempt_wrong(const char *file, int line, const char *what);
uint64_t attempt_msec(void);
/*
 * Whether to wait on, after so long, for what has to come: a moment if a fault has happened in this
 * round, which may be why it does not.
 */
bool attempt_waits(uint64_t since);
/* The registry is killed and another one started; for a setting that keeps descriptors. */
void attempt_restart(void);

/* Waits until it is there. */
io_service_t attempt_service(const char *name);
/* Waits until it is not; false: it is still. */
bool attempt_gone(uint64_t id);

/* A service and a connection; all zero: none. */
struct link {
	io_service_t service;
	io_connect_t connect;
};

/* Waits until the service is there. */
bool link_open(struct link *link, const char *name);
void link_close(struct link *link);
/* Opens it, uses the connection, unless that is NULL, and closes it. */
bool attempt_with(const char *name, bool (*use)(io_connect_t connect));

#endif
