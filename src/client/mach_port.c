/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive rights. The name of a port is its receive right and its send rights in one; send rights
 * are counted so that programs which give back what they took see the answers that they expect, and
 * mean nothing else: whoever knows a name may register completions with it.
 */
#include <mach/mach_port.h>

#include <IOKit/IOKitLib.h>

#include "errno_kept.h"
#include "log.h"
#include "names.h"
#include "port.h"

static bool
is_self(ipc_space_t task, const char *function)
{
	if (task == NAME_TASK_SELF)
		return true;
	log_error("%s: task must be mach_task_self()", function);
	return false;
}

kern_return_t
mach_port_allocate(ipc_space_t task, mach_port_right_t right, mach_port_name_t *name)
{
	struct port *port;
	ERRNO_KEPT;

	if (!is_self(task, "mach_port_allocate"))
		return KERN_INVALID_ARGUMENT;
	if (right != MACH_PORT_RIGHT_RECEIVE || name == NULL) {
		log_error("mach_port_allocate: %s",
			  name == NULL ? "name is NULL" : "only MACH_PORT_RIGHT_RECEIVE is there");
		return KERN_INVALID_ARGUMENT;
	}
	if (port_create(&port) != kIOReturnSuccess)
		return KERN_RESOURCE_SHORTAGE;
	*name = port_name(port);
	port_release(port); /* its name holds it */
	return KERN_SUCCESS;
}

kern_return_t
mach_port_insert_right(ipc_space_t task, mach_port_name_t name, mach_port_t right,
		       mach_msg_type_name_t type)
{
	struct port *port;

	if (!is_self(task, "mach_port_insert_right"))
		return KERN_INVALID_ARGUMENT;
	if (right != name || type != MACH_MSG_TYPE_MAKE_SEND) {
		log_error("mach_port_insert_right: only a send right to the same name");
		return KERN_INVALID_ARGUMENT;
	}
	port = port_copy(name);
	if (port == NULL)
		return KERN_INVALID_NAME;
	port_add_send_right(port);
	port_release(port);
	return KERN_SUCCESS;
}

static kern_return_t
change_send_rights(struct port *port, mach_port_delta_t delta)
{
	for (; delta > 0; delta--)
		port_add_send_right(port);
	for (; delta < 0; delta++)
		if (!port_remove_send_right(port))
			return KERN_INVALID_RIGHT;
	return KERN_SUCCESS;
}

kern_return_t
mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
		   mach_port_delta_t delta)
{
	kern_return_t res = KERN_SUCCESS;
	struct port *port;
	ERRNO_KEPT;

	if (!is_self(task, "mach_port_mod_refs"))
		return KERN_INVALID_ARGUMENT;
	port = port_copy(name);
	if (port == NULL)
		return KERN_INVALID_NAME;
	if (right == MACH_PORT_RIGHT_RECEIVE && delta == -1)
		port_close(port);
	else if (right == MACH_PORT_RIGHT_SEND && delta >= -1 && delta <= 1)
		res = change_send_rights(port, delta);
	else
		res = KERN_INVALID_ARGUMENT;
	port_release(port);
	return res;
}

kern_return_t
mach_port_deallocate(ipc_space_t task, mach_port_name_t name)
{
	if (name == NAME_MAIN && is_self(task, "mach_port_deallocate"))
		return KERN_SUCCESS;
	return mach_port_mod_refs(task, name, MACH_PORT_RIGHT_SEND, -1);
}

kern_return_t
mach_port_destroy(ipc_space_t task, mach_port_name_t name)
{
	return mach_port_mod_refs(task, name, MACH_PORT_RIGHT_RECEIVE, -1);
}

kern_return_t
IOCreateReceivePort(uint32_t message_type, mach_port_t *receive_port)
{
	if (message_type != kOSNotificationMessageID && message_type != kOSAsyncCompleteMessageID) {
		log_error("IOCreateReceivePort: message_type is %#x", message_type);
		return kIOReturnBadArgument;
	}
	if (receive_port == NULL) {
		log_error("IOCreateReceivePort: receive_port is NULL");
		return kIOReturnBadArgument;
	}
	return mach_port_allocate(NAME_TASK_SELF, MACH_PORT_RIGHT_RECEIVE, receive_port);
}
