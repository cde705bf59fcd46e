/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host made of bytes, for tests of the client: it owns the other end of a connection, and
 * whatever a test wants it to say wrongly it says. Left alone it follows PROTOCOL.md.
 *
 *	struct fake_host host;
 *	fake_host_create(&host);			the call page and so on, nothing sent yet
 *	host.method = my_method;			what answers calls
 *	connection = fake_host_open(&host, &status);	sends READY, opens the client's end, starts
 *							the thread
 *	...
 *	fake_host_stop(&host);				as if it had been killed
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "call_page.h"
#include "packets.h"

#include <IOKit/IOKitLib.h>

struct fake_host {
	int socket;	/* the host's end */
	int app_socket; /* until the client takes it */
	int page_fd;
	int doorbell;
	int bell_read, bell_write;
	int stop; /* eventfd: end the thread */
	struct call_page *page;
	struct call_page_host host;
	pthread_t thread;
	bool started;
	bool deaf;		   /* it does not read its socket */
	_Atomic unsigned answered; /* calls */
	_Atomic unsigned acks;
	uint32_t sequence; /* of the last MEMORY */
	uint64_t waiting;  /* [thread] slots that are not answered yet */

	/*
	 * Answers a call: fills the reply and returns true, or returns false to leave it
	 * unanswered. Runs on the host's thread.
	 */
	bool (*method)(struct fake_host *host, unsigned slot, const struct call_request *request,
		       struct call_reply *reply);
	void *context;

	_Atomic unsigned client_memories;
	struct client_memory_body client_memory; /* the last one */

	/* What the last STRUCTURES brought, by slot. */
	struct structures_body structures[CALL_PAGE_SLOTS];
	int structure_fds[CALL_PAGE_SLOTS][2]; /* input, output; -1 */
};

void fake_host_create(struct fake_host *host);

/* READY as it should be; a test that wants another changes the parts. */
void fake_host_ready_parts(struct fake_host *host, struct packet_header *header,
			   struct ready_body *body, int fds[3]);
void fake_host_send(struct fake_host *host, struct packet_header *header, const void *body,
		    size_t length, const int *fds, unsigned fd_count);

void fake_host_start(struct fake_host *host);
/* Opens the client's end on what was sent. */
io_connect_t fake_host_accept(struct fake_host *host, IOReturn *ret_status);
/* READY, start and accept. */
io_connect_t fake_host_open(struct fake_host *host);
/* Ends the thread and closes everything that the peer would notice. */
void fake_host_stop(struct fake_host *host);

/* MEMORY for a call: one segment of this memfd. */
void fake_host_send_memory(struct fake_host *host, unsigned slot, uint32_t generation, int fd,
			   uint64_t offset, uint64_t length);
/* A completion, and the bell if it is armed. */
void fake_host_complete(struct fake_host *host, const struct completion *entry);
void fake_host_answer(struct fake_host *host, unsigned slot, uint32_t generation,
		      const struct call_reply *reply);

#endif
