/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of drivers, for the commands that look on: which there are, and what is in them, in
 * the order of time.
 *
 *	recordings_open, then again and again:
 *		recordings_refresh	drivers come and go
 *		recordings_next		until it has nothing
 *		recordings_wait
 *	recordings_close
 *
 * A host is not trusted: what is in its files is copied, and checked for what would harm the
 * reader; that it is true, it has to be taken at its word.
 */
#ifndef DEXT_RECORDINGS_H
#define DEXT_RECORDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "recording_files.h"

/* One driver's, while its process lives. */
struct recording {
	uint64_t driver, process; /* numbers */
	char name[256];		  /* CFBundleIdentifier */
	char device[256];	  /* "usb:001:002" */
	int socket;
	uint64_t since; /* ns: when the host had answered */
	struct recording_files files;
	struct trace_reader reader; /* of the one that events are taken from */
	bool is_over;		    /* its host has ended, or looks after us no more */
	bool is_said;		    /* for who shows it */
	uint64_t lost_said;	    /* likewise */
	/* The next event, if has_event. */
	bool has_event;
	struct trace_event event;
	/* Without capture, those that come after it: the host's ring is emptied into memory while
	 * the output, which may be slow, is behind. */
	struct {
		struct trace_event *events; /* a ring of `room`, a power of two */
		size_t first, count, room;
		unsigned taken;
	} kept;
	/* With capture only: */
	uint8_t *bytes;	     /* all that was read: packets, then data */
	uint32_t packets;    /* how many struct trace_packet are in `bytes` */
	const uint8_t *data; /* the transfer's */
	uint32_t length;     /* bytes of them */
	struct recording *next;
};

struct recordings {
	const char *command; /* for complaints */
	const char *wanted;  /* identifier, class or number of a driver; NULL: all */
	bool capture;
	uint32_t snap; /* bytes of each transfer */
	struct ask *ask;
	struct recording *first; /* of those that are over the last events are there, too */
	uint64_t refreshed;	 /* ns */
	unsigned refused;	 /* drivers that may not be looked at */
	uint64_t complained;	 /* process of the last host of which it was said why */
};

/* 0, or an exit status after a complaint: no registry, no such driver, or not permitted. */
int recordings_open(struct recordings *recordings);
void recordings_close(struct recordings *recordings);
/*
 * Looks on at drivers that are new, at most twice a second. False: the registry has gone, and no
 * recording goes on.
 */
bool recordings_refresh(struct recordings *recordings);
/*
 * The recording whose next event is the oldest of all, with that in it; the caller takes it by
 * setting has_event to false. NULL: there is none now.
 */
struct recording *recordings_next(struct recordings *recordings);
/*
 * The next event of one, with what of its bytes is wanted; `bytes` has that much room, where there
 * is a capture. False: there is none now.
 */
bool recordings_read(const struct recordings *recordings, struct recording *recording);
uint32_t recordings_room(const struct recordings *recordings);
/* Until there may be something again, a signal, or `deadline` (ns). */
void recordings_wait(const struct recordings *recordings, uint64_t deadline);
/* Frees those that are over, and whose events were taken; `ending` is told of each. */
void recordings_sweep(struct recordings *recordings,
		      void (*ending)(void *context, struct recording *recording), void *context);

/* From now on Ctrl-C and SIGTERM end the looking; whether one has come. */
void recordings_catch_signals(void);
bool recordings_are_interrupted(void);

#endif
