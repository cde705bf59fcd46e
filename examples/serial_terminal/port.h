/* SPDX-License-Identifier: Apache-2.0 */
/* A serial port of the FTDI driver, as this program uses it; ftdi_serial.h has the protocol. */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "ftdi_serial.h"

struct line {
	uint64_t baud, data_bits;
	enum ftdi_parity parity;
	enum ftdi_stop stop;
	enum ftdi_flow flow;
};

/*
 * Opens the first port and sets its line; received bytes go to standard output while
 * CFRunLoopRunInMode runs on this thread. False: the reason was printed.
 */
bool port_open(const struct line *line);
void port_close(void);

/* A buffer of FTDI_SEND_BYTES that is free: waits for one. NULL: the port has failed. Any thread.
 */
uint8_t *port_get_buffer(void);
/* Sends what is in it; or, of length 0, gives it back. The same thread. */
void port_send(uint8_t *buffer, uint64_t length);

/* Everything was sent, as far as the driver knows; then also as far as the adapter says. */
bool port_is_idle(void);
bool port_is_empty(void);
bool port_has_failed(void);
uint64_t port_received(void);

#endif
