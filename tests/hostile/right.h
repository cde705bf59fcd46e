/* SPDX-License-Identifier: Apache-2.0 */
/* Each message of packets.h, in any direction, as it should be. */
#ifndef TESTS_HOSTILE_RIGHT_H
#define TESTS_HOSTILE_RIGHT_H

#include "enemy.h"

#define RIGHT_FIRST 0x0100u
#define RIGHT_LAST  0x04ffu

struct message {
	uint16_t type;
	uint8_t length, fds;
	uint8_t body[72];
};

/* False: there is none of this type. What only hosts and registries send has ones for a body. */
bool right_message(enum packet_type type, struct message *ret_message);

#endif
