/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive rights: a port of one's own, to register completions with and to receive them from by
 * mach_msg.
 *
 *	mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
 *	IOConnectCallAsyncScalarMethod(connection, kRegister, port, reference, ...);
 *	mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), port, MACH_MSG_TIMEOUT_NONE, 0);
 *	mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
 */
#ifndef OPENDEXT_MACH_MACH_PORT_H
#define OPENDEXT_MACH_MACH_PORT_H

#include <dext_cdefs.h>
#include <mach/message.h>
#include <mach/port.h>

DEXT_BEGIN_DECLS

/*
 * A port with its receive right. KERN_INVALID_ARGUMENT: another right, or a task other than
 * mach_task_self(). KERN_RESOURCE_SHORTAGE: no memory or descriptors.
 */
kern_return_t mach_port_allocate(ipc_space_t task, mach_port_right_t right, mach_port_name_t *name);
/* Adds a send right to a receive right of the same name; only MACH_MSG_TYPE_MAKE_SEND. */
kern_return_t mach_port_insert_right(ipc_space_t task, mach_port_name_t name, mach_port_t right,
				     mach_msg_type_name_t type);
/*
 * Gives up one send right. KERN_INVALID_RIGHT: there is none; the receive right is not touched. Of
 * the main port it does nothing.
 */
kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name);
/*
 * MACH_PORT_RIGHT_RECEIVE and -1 end the port: what waits in it is gone, a thread in mach_msg
 * returns. MACH_PORT_RIGHT_SEND adds or removes send rights.
 */
kern_return_t mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
				 mach_port_delta_t delta);
/* Ends the port with all its rights. */
kern_return_t mach_port_destroy(ipc_space_t task, mach_port_name_t name);

DEXT_END_DECLS

#endif
