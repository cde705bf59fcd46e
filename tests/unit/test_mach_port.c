/* SPDX-License-Identifier: Apache-2.0 */
#include <mach/mach.h>

#include "fake_connection.h"

#include <IOKit/IOKitLib.h>

START_TEST(allocates_and_destroys)
{
	mach_port_name_t name = MACH_PORT_NULL;
	struct port *port;

	ck_assert_int_eq(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name),
			 KERN_SUCCESS);
	port = port_copy(name);
	ck_assert_ptr_nonnull(port);
	port_release(port);
	ck_assert_int_eq(mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, -1),
			 KERN_SUCCESS);
	ck_assert_ptr_null(port_copy(name));
	ck_assert_int_eq(mach_port_destroy(mach_task_self(), name), KERN_INVALID_NAME);
}
END_TEST

START_TEST(counts_send_rights)
{
	mach_port_name_t name;
	struct port *port;

	mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name);
	ck_assert_int_eq(mach_port_deallocate(mach_task_self(), name), KERN_INVALID_RIGHT);
	ck_assert_int_eq(
		mach_port_insert_right(mach_task_self(), name, name, MACH_MSG_TYPE_MAKE_SEND),
		KERN_SUCCESS);
	ck_assert_int_eq(mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_SEND, 1),
			 KERN_SUCCESS);
	ck_assert_int_eq(mach_port_deallocate(mach_task_self(), name), KERN_SUCCESS);
	ck_assert_int_eq(mach_port_deallocate(mach_task_self(), name), KERN_SUCCESS);
	ck_assert_int_eq(mach_port_deallocate(mach_task_self(), name), KERN_INVALID_RIGHT);
	port = port_copy(name);
	ck_assert_ptr_nonnull(port); /* the receive right was never touched */
	port_release(port);
	ck_assert_int_eq(mach_port_destroy(mach_task_self(), name), KERN_SUCCESS);
}
END_TEST

START_TEST(refuses_what_is_not_there)
{
	mach_port_name_t name = 5;

	ck_assert_int_eq(mach_port_allocate(0, MACH_PORT_RIGHT_RECEIVE, &name),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_SEND, &name),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, NULL),
			 KERN_INVALID_ARGUMENT);
	ck_assert_uint_eq(name, 5);
	mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name);
	ck_assert_int_eq(mach_port_insert_right(mach_task_self(), name, name, 16),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(
		mach_port_insert_right(mach_task_self(), name, name + 4, MACH_MSG_TYPE_MAKE_SEND),
		KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, 1),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_port_mod_refs(mach_task_self(), name, 9, -1), KERN_INVALID_ARGUMENT);
	mach_port_destroy(mach_task_self(), name);
	ck_assert_int_eq(
		mach_port_insert_right(mach_task_self(), name, name, MACH_MSG_TYPE_MAKE_SEND),
		KERN_INVALID_NAME);
}
END_TEST

START_TEST(creates_a_receive_port_for_messages)
{
	mach_port_t name = MACH_PORT_NULL;

	ck_assert_int_eq(IOCreateReceivePort(kOSNotificationMessageID, &name), kIOReturnSuccess);
	ck_assert_int_eq(mach_port_destroy(mach_task_self(), name), KERN_SUCCESS);
	ck_assert_int_eq(IOCreateReceivePort(kOSAsyncCompleteMessageID, &name), kIOReturnSuccess);
	ck_assert_int_eq(mach_port_destroy(mach_task_self(), name), KERN_SUCCESS);
	ck_assert_int_eq(IOCreateReceivePort(1, &name), kIOReturnBadArgument);
	ck_assert_int_eq(IOCreateReceivePort(kOSNotificationMessageID, NULL), kIOReturnBadArgument);
}
END_TEST

UNIT_MAIN("mach_port", allocates_and_destroys, counts_send_rights, refuses_what_is_not_there,
	  creates_a_receive_port_for_messages)
