/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. A line is formatted on the stack, its control characters are escaped (a peer's bytes
 * must not be able to forge a second line), and it leaves with one write(2), so that lines of
 * several threads and processes do not mix.
 *
 * Any thread. Nothing is allocated and no lock is taken, except for a line with %@, so a child
 * after fork may log. A line past LINE_MAX_BYTES is cut. There is no file, no rotation and no time
 * stamp: whoever collects standard error has those.
 */
#include "log.h"

#include "cf_string.h"
#include "clock.h"
#include "environment.h"
#include "escape.h"

#include <DriverKit/OSCollections.h>
#include <errno.h>
#include <os/log.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES	 2048
#define FORMAT_MAX_BYTES 1024
#define LABEL_MAX_BYTES	 256
#define PASSED_MAX_BYTES 8192

static pthread_once_t environment_once = PTHREAD_ONCE_INIT;
static int environment_level = -1; /* [const after once] -1: not set */
/* Alone: no other data depends on it, so relaxed, and it pairs with nothing. */
static _Atomic int program_level = LOG_LEVEL_OFF;
static char program_name[64]; /* [const after start] */

static void
look(void)
{
	static const char *const names[] = {"off", "error", "info", "debug"};
	const char *value = environment_log();

	if (value == NULL)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0)
			environment_level = (int)i;
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&program_level, (int)level, memory_order_relaxed);
}

void
log_set_name(const char *name)
{
	snprintf(program_name, sizeof(program_name), "%s", name);
}

bool
log_enabled(enum log_level level)
{
	int most;

	pthread_once(&environment_once, look);
	most = environment_level >= 0 ? environment_level
				      : atomic_load_explicit(&program_level, memory_order_relaxed);
	return level != LOG_LEVEL_OFF && (int)level <= most;
}

/*
 * A host's standard error is a pipe that does not block. Lines that found no room in it are
 * counted, and the next one that does is preceded by their number. Alone, so relaxed: it pairs with
 * nothing.
 */
static _Atomic unsigned lost;

/* Standard error may be a pipe whose reader has gone: an app must not die of a log line. */
static void
put(const char *line, size_t length)
{
	const struct timespec now = {0, 0};
	sigset_t pipe_only, before, pending;
	bool was_pending;
	ssize_t sent;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigemptyset(&pending);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	do
		sent = write(STDERR_FILENO, line, length);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
	if (sent < 0 && errno == EPIPE && !was_pending)
		while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
put_after_lost(const char *line, size_t length)
{
	unsigned count = atomic_exchange_explicit(&lost, 0, memory_order_relaxed);
	char note[128];
	int used;

	if (count > 0) {
		used = snprintf(note, sizeof(note), "%s: %u lines of this log found no room\n",
				program_name, count);
		put(note, (size_t)used);
	}
	if (count > 0 && atomic_load_explicit(&lost, memory_order_relaxed) > 0)
		atomic_fetch_add_explicit(&lost, count - 1, memory_order_relaxed);
	put(line, length);
}

static _Thread_local struct log_share *thread_share;

void
log_set_share(struct log_share *share)
{
	thread_share = share;
}

/* False: the line is left out. */
static bool
take_share(void)
{
	struct log_share *share = thread_share;
	uint64_t now = share != NULL ? clock_now() : 0;
	unsigned left_out;

	if (share == NULL)
		return true;
	if (now - share->began >= NSEC_PER_SEC) {
		left_out = share->left_out;
		share->began = now;
		share->lines = share->left_out = 0;
		thread_share = NULL;
		if (left_out > 0)
			log_error("%u lines like the next were left out", left_out);
		thread_share = share;
	}
	if (share->lines < share->most) {
		share->lines++;
		return true;
	}
	share->left_out++;
	return false;
}

/* Ends it; it is a line then, whatever is in it. */
static void
put_line(const char *line, size_t length)
{
	char clean[ESCAPE_ROOM(LINE_MAX_BYTES)];

	length = escape_line(clean, line, length);
	clean[length++] = '\n'; /* over the NUL */
	put_after_lost(clean, length);
}

/* `label` follows the program's name: what an app named its log; NULL: nothing. */
__attribute__((format(printf, 2, 0))) static void
compose(const char *label, const char *format, va_list arguments)
{
	char line[LINE_MAX_BYTES];
	size_t start = 0, used;
	int wanted;
	int saved = errno;

	if (program_name[0] != '\0')
		start = (size_t)snprintf(line, sizeof(line), "%s: ", program_name);
	if (label != NULL)
		start += (size_t)snprintf(line + start, sizeof(line) - start, "%s: ", label);
	errno = saved; /* for %m */
	wanted = vsnprintf(line + start, sizeof(line) - start, format, arguments);
	used = start + (wanted > 0 ? (size_t)wanted : 0);
	if (used > sizeof(line) - 1)
		used = sizeof(line) - 1;
	while (used > start && line[used - 1] == '\n')
		used--;
	line[used] = '\0';
	/* As of an object's description, which has several lines. */
	for (size_t i = 0; i < used; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	put_line(line, used);
	errno = saved;
}

void
log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	if (!log_enabled(level) || !take_share())
		return;
	va_start(arguments, format);
	compose(NULL, format, arguments);
	va_end(arguments);
}

void
log_pass_on(const char *who, const char *line)
{
	char text[PASSED_MAX_BYTES], clean[ESCAPE_ROOM(PASSED_MAX_BYTES)];
	size_t length;

	snprintf(text, sizeof(text), "%s: %s", who, line);
	length = escape_line(clean, text, strlen(text));
	clean[length++] = '\n'; /* over the NUL */
	put(clean, length);
}

void
log_abort(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	compose(NULL, format, arguments);
	va_end(arguments);
	abort();
}

/*
 * os_log's format as one of printf: annotations go, and %P, which only Apple's os_log has, prints
 * the address, which keeps the other arguments in their places. So does %n, which would write, and
 * so does %@ unless objects are kept. False if it does not fit.
 */
static bool
plain(const char *format, bool keep_objects, char *out, size_t size)
{
	size_t used = 0;
	bool inside = false;

	for (const char *at = format; *at != '\0'; at++) {
		char c = *at;

		if (used + 1 >= size)
			return false;
		if (!inside) {
			inside = c == '%';
		} else if (c == '{') {
			const char *end = strchr(at, '}');

			if (end == NULL)
				return false;
			at = end;
			continue;
		} else if (c == '@' || c == 'P' || c == 'n') {
			c = c == '@' && keep_objects ? '@' : 'p';
			inside = false;
		} else if (strchr("diouxXeEfFgGaAcCsSpm%", c) != NULL) {
			inside = false;
		}
		out[used++] = c;
	}
	out[used] = '\0';
	return true;
}

__attribute__((format(printf, 2, 3))) static void
compose_line(const char *label, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	compose(label, format, arguments);
	va_end(arguments);
}

/*
 * A line with objects in it, in CFShow's words. `without` is the format as plain has it. False: it
 * has no %@, or a conversion that CFString has not, which is logged.
 */
static bool
compose_objects(const char *label, const char *format, const char *without, va_list arguments)
{
	char converted[FORMAT_MAX_BYTES];
	OSString *string = NULL;
	char *text = NULL;
	bool done;

	if (plain(format, true, converted, sizeof(converted)) && strcmp(converted, without) != 0)
		string = OSStringCreateWithCString(converted);
	if (string != NULL)
		text = string_format((CFStringRef)(void *)string, arguments);
	OSRelease(string);
	if (text != NULL)
		compose_line(label, "%s", text);
	done = text != NULL;
	free(text);
	return done;
}

static enum log_level
level_of(os_log_type_t type)
{
	switch (type) {
	case OS_LOG_TYPE_ERROR:
	case OS_LOG_TYPE_FAULT:
		return LOG_LEVEL_ERROR;
	case OS_LOG_TYPE_DEBUG:
		return LOG_LEVEL_DEBUG;
	case OS_LOG_TYPE_DEFAULT:
	case OS_LOG_TYPE_INFO:
		break;
	}
	return LOG_LEVEL_INFO;
}

/* Logs that apps made: never freed, for equal names the same one, in a list that only grows. */
struct os_log_s {
	const struct os_log_s *next; /* [const] once in the list */
	char label[LABEL_MAX_BYTES];
};

static const struct os_log_s *_Atomic logs;

static const struct os_log_s *
find_log(const struct os_log_s *log, const char *label)
{
	while (log != NULL && strcmp(log->label, label) != 0)
		log = log->next;
	return log;
}

os_log_t
os_log_create(const char *subsystem, const char *category)
{
	struct os_log_s *made = calloc(1, sizeof(*made));
	const struct os_log_s *head, *found;

	if (made == NULL)
		return OS_LOG_DEFAULT;
	snprintf(made->label, sizeof(made->label), "%s:%s", subsystem == NULL ? "" : subsystem,
		 category == NULL ? "" : category);
	/* Acquire pairs with the release below: a log that is found is complete. */
	head = atomic_load_explicit(&logs, memory_order_acquire);
	do {
		found = find_log(head, made->label);
		if (found != NULL) {
			free(made);
			return found;
		}
		made->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&logs, &head, made, memory_order_release,
							memory_order_acquire));
	return made;
}

bool
os_log_type_enabled(os_log_t log, os_log_type_t type)
{
	return log != OS_LOG_DISABLED && (program_name[0] != '\0' || log_enabled(level_of(type)));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void
os_log_with_type(os_log_t log, os_log_type_t type, const char *format, ...)
{
	char converted[FORMAT_MAX_BYTES];
	va_list arguments;
	const char *label;
	int saved = errno;
	bool done;

	if (format == NULL || !os_log_type_enabled(log, type))
		return;
	if (!plain(format, false, converted, sizeof(converted))) {
		log_write(level_of(type), "os_log: format too long or with an open %%{");
		return;
	}
	label = log == OS_LOG_DEFAULT ? NULL : log->label;
	va_start(arguments, format);
	done = compose_objects(label, format, converted, arguments);
	va_end(arguments);
	errno = saved;
	if (done)
		return;
	va_start(arguments, format);
	compose(label, converted, arguments);
	va_end(arguments);
}
#pragma GCC diagnostic pop
