/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's inside, top to bottom:
 *
 *	service.c	FTDISerial: the service on one port of an adapter; who may open it
 *	client.c	FTDISerialUserClient: one app's connection; the table of selectors
 *	receive.c	from the adapter into the ring that the app reads
 *	transmit.c	from the app's buffers to the adapter
 *	line.c		everything that is set or asked by control requests
 *	baud.c		a baud rate as the chip wants it
 *	packets.c	the status bytes in front of each packet
 *
 * Everything runs on the driver's Default queue, which its user client shares: nothing is locked. A
 * control request holds that queue up until the adapter has answered. It can: there is one app, and
 * it waits for that answer.
 */
#ifndef FTDI_SERIAL_INSIDE_H
#define FTDI_SERIAL_INSIDE_H

#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>

#include "baud.h"
#include "ftdi_serial.h"
#include "packets.h"

typedef struct FTDISerial FTDISerial;
typedef struct FTDISerialUserClient FTDISerialUserClient;
extern const OSMetaClass gFTDISerialMetaClass __attribute__((visibility("hidden")));
extern const OSMetaClass gFTDISerialUserClientMetaClass __attribute__((visibility("hidden")));

/* Memory, and where it is mapped here. */
struct buffer {
	IOBufferMemoryDescriptor *memory;
	uint8_t *bytes;
};

kern_return_t buffer_create(struct buffer *buffer, uint64_t size);
void buffer_free(struct buffer *buffer);

struct pipe {
	IOUSBHostPipe *usb;
	uint16_t packet; /* wMaxPacketSize */
	bool halted;	 /* by a transfer that failed */
};

/* Ends the halt, if there is one. */
kern_return_t pipe_clear(struct pipe *pipe);

/* A port of an adapter. */
struct port {
	FTDISerial *service;
	IOUSBHostInterface *interface;
	struct pipe in;
	struct pipe out;
	enum chip chip;
	uint8_t channel;       /* of several ports: 1 and up; 0: the only one */
	bool wide_index;       /* the divisor's upper bits are in wIndex's upper byte */
	uint16_t format;       /* what SET_DATA was last given, without the break */
	struct buffer answer;  /* of control requests */
	struct client *client; /* NULL: the port is not open */
};

/* From here on: kIOReturn... of the control request, as <ftdi_serial.h> says. */
kern_return_t line_open(struct port *port);
void line_close(struct port *port);
kern_return_t line_set(struct port *port, const uint64_t *input, uint64_t *ret_actual);
kern_return_t line_set_modem(struct port *port, uint64_t which, uint64_t values);
kern_return_t line_set_break(struct port *port, uint64_t on);
kern_return_t line_set_latency(struct port *port, uint64_t msec);
kern_return_t line_purge(struct port *port, uint64_t what);
kern_return_t line_get(struct port *port, uint8_t *ret_lines, bool *ret_empty);

#define RECEIVE_TRANSFERS 4u
#define RECEIVE_BYTES	  4096u /* in a transfer; whole packets at every speed */

struct receive {
	struct client *client;
	struct buffer ring;
	struct in_transfer {
		struct receive *receive;
		struct buffer buffer;
		OSAction *action;
		bool underway;
	} transfers[RECEIVE_TRANSFERS];
	uint64_t received; /* positions */
	uint64_t taken;
	uint32_t reserved;  /* of the ring, for what is underway */
	OSAction *listener; /* NULL: none */
	bool armed;	    /* the app is to be told of what is new */
	uint32_t events;    /* not yet told */
	uint64_t event_position;
	uint8_t lines;
	uint64_t overruns, parities, framings, breaks;
	IOReturn failure; /* why nothing is received any more */
};

kern_return_t receive_create(struct receive *receive, struct client *client);
/* After the pipe's transfers have ended. */
void receive_free(struct receive *receive);
void receive_start(struct receive *receive, uint8_t lines);
/* Returns when no transfer is underway any more; none is queued after that. */
void receive_stop(struct receive *receive);
kern_return_t receive_listen(struct receive *receive, OSAction *completion);
kern_return_t receive_take(struct receive *receive, uint64_t position);

struct transmit {
	struct client *client;
	struct out_transfer {
		struct transmit *transmit;
		struct buffer buffer; /* the app's */
		struct buffer framed; /* SIO only */
		uint32_t length;
		OSAction *action;
		OSAction *completion; /* the app's; NULL: not underway */
	} transfers[FTDI_SEND_BUFFERS];
	uint64_t sent; /* bytes */
	bool failed;   /* until FTDI_ABORT_SEND */
};

kern_return_t transmit_create(struct transmit *transmit, struct client *client);
void transmit_free(struct transmit *transmit);
kern_return_t transmit_send(struct transmit *transmit, uint64_t index, uint64_t length,
			    OSAction *completion);
kern_return_t transmit_abort(struct transmit *transmit);

/* An open port. */
struct client {
	FTDISerialUserClient *service;
	struct port *port;
	struct receive receive;
	struct transmit transmit;
};

struct FTDISerial_IVars {
	struct port port;
};

struct FTDISerialUserClient_IVars {
	struct client client;
};

#endif
