/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipe is read when the loop says so, at most READ_MAX bytes in a second; past that it is left
 * full, and the host's writes fail. Past DEXT_LIMIT_LOG_LINES in a second lines are counted and
 * nothing else, and at the end of the second one line says how many. So a driver that logs without
 * end costs the registry little, and pushes nobody else's lines out: each host has its own.
 *
 * What a process has left in the pipe when it ended is kept in any case, and so are the last of the
 * lines that were counted: the reason is there.
 */
#include "host_log.h"

#include "registry_private.h"

#include "clock.h"
#include "escape.h"
#include "log.h"
#include "packet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX  (UINT64_C(1) << 20)
#define READ_SIZE 16384
#define WINDOW	  NSEC_PER_SEC

static struct host *
host_of(struct host_log *log)
{
	return (struct host *)((char *)log - offsetof(struct host, log));
}

static uint64_t
now_real(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* --- what is kept --- */

static void
forget_oldest(struct host_log *log)
{
	struct log_line *line = log->first;

	log->first = line->next;
	if (log->first == NULL)
		log->last = NULL;
	log->count--;
	log->bytes -= line->length;
	free(line);
}

/* Without memory the line was passed on and that is all. */
static void
keep_line(struct host_log *log, const char *text, size_t length)
{
	struct registry *registry = host_of(log)->registry;
	struct log_line *line = malloc(sizeof(*line) + length + 1);

	if (line == NULL)
		return;
	*line = (struct log_line){
		.sequence = ++registry->last_line,
		.time = now_real(),
		.process = host_of(log)->pid,
		.length = (uint32_t)length,
	};
	memcpy(line->text, text, length + 1);
	if (log->last != NULL)
		log->last->next = line;
	else
		log->first = line;
	log->last = line;
	log->count++;
	log->bytes += length;
	while (log->count > DEXT_LIMIT_LOG_LINES_KEPT || log->bytes > DEXT_LIMIT_LOG_BYTES_KEPT)
		forget_oldest(log);
	reports_tell(registry);
}

void
host_log_note(struct host *host, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	keep_line(&host->log, text, strlen(text));
}

/* --- lines --- */

/* Whose it is stands before each: what a host writes cannot look like a line of the registry. */
static void
pass_on(const struct host *host, const char *text)
{
	const char *identifier = host->personality->bundle->identifier;
	size_t length = strlen(identifier);

	if (strncmp(text, identifier, length) == 0 && strncmp(text + length, ": ", 2) == 0)
		text += length + 2;
	log_pass_on(identifier, text);
}

/* Half of it goes when it is full: what the other half holds is more than a backtrace. */
static void
keep_tail(struct host_log *log, const char *bytes, size_t length)
{
	if (log->tail == NULL)
		log->tail = malloc(LOG_TAIL_BYTES);
	if (log->tail == NULL)
		return;
	if (log->tail_used + length + 1 > LOG_TAIL_BYTES) {
		const char *half = memchr(log->tail + LOG_TAIL_BYTES / 2 - 1, '\n',
					  log->tail_used - LOG_TAIL_BYTES / 2 + 1);

		log->tail_used -= (size_t)(half + 1 - log->tail);
		memmove(log->tail, half + 1, log->tail_used);
	}
	memcpy(log->tail + log->tail_used, bytes, length);
	log->tail_used += length;
	log->tail[log->tail_used++] = '\n';
}

static void
forget_tail(struct host_log *log)
{
	free(log->tail);
	log->tail = NULL;
	log->tail_used = 0;
}

static void
take_line(struct host_log *log)
{
	char text[ESCAPE_ROOM(DEXT_LIMIT_LOG_LINE_BYTES)];
	size_t length;

	log->partial[log->used] = '\0';
	log->lines++;
	if (log->lines > DEXT_LIMIT_LOG_LINES) {
		log->dropped++;
		if (!log->last_words) {
			keep_tail(log, log->partial, log->used);
			log->used = 0;
			return;
		}
	}
	length = escape_line(text, log->partial, log->used);
	log->used = 0;
	keep_line(log, text, length);
	if (log->lines <= DEXT_LIMIT_LOG_LINES)
		pass_on(host_of(log), text);
}

static void
take_bytes(struct host_log *log, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n') {
			take_line(log);
			continue;
		}
		if (log->used == DEXT_LIMIT_LOG_LINE_BYTES)
			take_line(log);
		log->partial[log->used++] = bytes[i];
	}
}

/* --- the rate --- */

static void
say_dropped(struct host_log *log)
{
	char name[256], text[384];

	if (log->dropped == 0)
		return;
	host_describe(host_of(log), name, sizeof(name));
	snprintf(text, sizeof(text),
		 "%s: %" PRIu64 " lines of its log were dropped: it wrote more than "
		 "DEXT_LIMIT_LOG_LINES (%u) in a second",
		 name, log->dropped, DEXT_LIMIT_LOG_LINES);
	log->dropped = 0;
	log_error("%s", text);
	keep_line(log, text, strlen(text));
}

static void
begin_window(struct host_log *log)
{
	say_dropped(log);
	if (!log->last_words && log->lines <= DEXT_LIMIT_LOG_LINES)
		forget_tail(log);
	log->window = clock_now();
	log->lines = log->read = 0;
	if (log->paused && log->watched)
		loop_source_rearm(host_of(log)->registry->loop, &log->source, EPOLLIN);
	log->paused = false;
}

static void
window_ended(struct loop_timer *timer)
{
	struct host_log *log =
		(struct host_log *)((char *)timer - offsetof(struct host_log, timer));

	if (!log->timer_armed)
		return;
	log->timer_armed = false;
	begin_window(log);
}

static void
disarm(struct host_log *log)
{
	if (log->timer_armed)
		loop_timer_cancel(host_of(log)->registry->loop, &log->timer);
	log->timer_armed = false;
}

/* Only if something has to be said or done at its end. */
static void
await_window(struct host_log *log)
{
	if (log->timer_armed || (log->dropped == 0 && !log->paused))
		return;
	log->timer_armed = true;
	log->timer.fired = window_ended;
	loop_timer_arm(host_of(log)->registry->loop, &log->timer, log->window + WINDOW);
}

/* --- the pipe --- */

static void
unwatch(struct host_log *log)
{
	if (log->watched)
		loop_source_remove(host_of(log)->registry->loop, &log->source);
}

static void
log_ready(struct loop_source *source, uint32_t events)
{
	struct host_log *log =
		(struct host_log *)((char *)source - offsetof(struct host_log, source));
	char bytes[READ_SIZE];
	ssize_t length;

	if (log->pipe < 0)
		return;
	if (clock_now() - log->window > WINDOW)
		begin_window(log);
	length = read(log->pipe, bytes, sizeof(bytes));
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
		unwatch(log); /* it has closed them all; its end comes by itself */
		return;
	}
	if (length > 0) {
		log->read += (uint64_t)length;
		take_bytes(log, bytes, (size_t)length);
	}
	if (log->read > READ_MAX && !log->paused) {
		log->paused = true;
		loop_source_rearm(host_of(log)->registry->loop, source, 0);
	}
	await_window(log);
}

static void
log_removed(struct loop_source *source)
{
	struct host_log *log =
		(struct host_log *)((char *)source - offsetof(struct host_log, source));

	log->watched = false;
}

IOReturn
host_log_begin_take(struct host *host, int pipe)
{
	struct host_log *log = &host->log;
	IOReturn status;

	log->pipe = pipe;
	log->used = 0;
	forget_tail(log);
	log->last_words = log->paused = false;
	if (pipe < 0)
		return kIOReturnSuccess;
	log->source = (struct loop_source){
		.fd = pipe,
		.events = EPOLLIN,
		.handler = log_ready,
		.removed = log_removed,
	};
	status = loop_source_add(host->registry->loop, &log->source);
	log->watched = status == kIOReturnSuccess;
	return status;
}

/* As if it had come now. */
static void
take_tail(struct host_log *log)
{
	char partial[sizeof(log->partial)];
	size_t used = log->used;

	memcpy(partial, log->partial, used);
	log->used = 0;
	if (log->tail != NULL)
		take_bytes(log, log->tail, log->tail_used);
	forget_tail(log);
	memcpy(log->partial, partial, used);
	log->used = used;
}

void
host_log_drain(struct host *host)
{
	struct host_log *log = &host->log;
	char bytes[READ_SIZE];
	ssize_t length;

	if (log->pipe < 0)
		return;
	begin_window(log);
	log->last_words = true;
	take_tail(log);
	/* No more than a pipe holds: nobody writes any more. */
	for (uint64_t all = 0; all <= READ_MAX; all += (uint64_t)length) {
		length = read(log->pipe, bytes, sizeof(bytes));
		if (length <= 0)
			break;
		take_bytes(log, bytes, (size_t)length);
	}
	if (log->used > 0)
		take_line(log);
	say_dropped(log);
}

void
host_log_end(struct host *host)
{
	struct host_log *log = &host->log;

	disarm(log);
	unwatch(log);
	fd_close(&log->pipe);
}

void
host_log_free(struct host *host)
{
	host_log_end(host);
	forget_tail(&host->log);
	while (host->log.first != NULL)
		forget_oldest(&host->log);
}
