/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOConnectCallMethod and its siblings, all of which are call_method.
 *
 * The arguments are checked before the connection is looked up. Structures of up to 4096 bytes
 * travel in the slot's data, larger ones as memory (large.c), announced by STRUCTURES before the
 * slot is submitted. Outputs are written on success only, except that of a large structure, which
 * the driver writes in place.
 */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "errno_kept.h"
#include "large.h"
#include "log.h"
#include "memfd.h"
#include "object_table.h"
#include "packets.h"
#include "port.h"
#include "question.h"
#include "slots.h"
#include "uncancelled.h"

#include <IOKit/IOKitLib.h>
#include <dext_iokit.h>
#include <mach/mach_vm.h>
#include <mach/mig_errors.h>

struct method_call {
	const char *function; /* for the log */
	uint16_t operation;   /* 0: CALL_METHOD */
	uint32_t selector;
	const uint64_t *input;
	uint32_t input_count;
	const void *input_struct;
	size_t input_size;
	uint64_t *output;
	uint32_t *output_count;
	void *output_struct;
	size_t *output_size;
	bool is_async;
	mach_port_t wake_port;
	const uint64_t *reference;
	uint32_t reference_count;
	bool variable_output; /* the output structure may be shorter than its room */
};

/* A call under way. */
struct running {
	struct connection *connection;
	const struct method_call *call;
	unsigned slot;
	uint64_t deadline; /* 0: none */
	struct call_request request;
	struct call_reply reply;
	struct large input;
	struct large output;
};

/* --- arguments --- */

static const char *
bad_argument(const struct method_call *call)
{
	if (call->input_count > DEXT_SCALARS_MAX)
		return "input_count is more than 16";
	if (call->input_count > 0 && call->input == NULL)
		return "input is NULL and input_count is not 0";
	if (call->input_size > 0 && call->input_struct == NULL)
		return "input_struct is NULL and its size is not 0";
	if (call->input_size > PTRDIFF_MAX ||
	    (call->output_size != NULL && *call->output_size > PTRDIFF_MAX))
		return "a structure has an impossible size";
	if (call->is_async && call->reference_count > ASYNC_REFERENCES_MAX)
		return "reference_count is more than 8";
	if (call->is_async && call->reference_count > 0 && call->reference == NULL)
		return "reference is NULL and reference_count is not 0";
	return NULL;
}

/* An array for which a message has no room: on macOS the call fails before it is made. */
static bool
is_too_long(const struct method_call *call)
{
	return call->input_count > DEXT_SCALARS_MAX ||
	       (call->is_async && call->reference_count > ASYNC_REFERENCES_MAX);
}

static uint32_t
scalar_room(const struct method_call *call)
{
	if (call->output == NULL || call->output_count == NULL)
		return 0;
	return *call->output_count < DEXT_SCALARS_MAX ? *call->output_count : DEXT_SCALARS_MAX;
}

static size_t
structure_room(const struct method_call *call)
{
	return call->output_struct == NULL || call->output_size == NULL ? 0 : *call->output_size;
}

static void
fill_request(struct running *running)
{
	const struct method_call *call = running->call;
	struct call_request *request = &running->request;

	/* Of the scalars those that there are; the others stay behind. */
	memset(request, 0, offsetof(struct call_request, scalars));
	request->operation = call->operation != 0 ? call->operation : CALL_METHOD;
	request->selector = call->selector;
	request->scalar_in_count = call->input_count;
	if (call->input_count > 0)
		memcpy(request->scalars, call->input, call->input_count * sizeof(*call->input));
	request->scalar_out_count = scalar_room(call);
	request->structure_in_size = call->input_size;
	request->structure_out_size = structure_room(call);
	if (request->structure_in_size > DEXT_STRUCTURE_INLINE_MAX)
		request->flags |= CALL_LARGE_INPUT;
	if (request->structure_out_size > DEXT_STRUCTURE_INLINE_MAX)
		request->flags |= CALL_LARGE_OUTPUT;
	if (call->variable_output)
		request->flags |= CALL_VARIABLE_OUTPUT;
}

/* --- large structures --- */

static bool
is_large(const struct call_request *request)
{
	return (request->flags & (CALL_LARGE_INPUT | CALL_LARGE_OUTPUT)) != 0;
}

static IOReturn
prepare_large(struct running *running)
{
	const struct method_call *call = running->call;
	IOReturn status = kIOReturnSuccess;

	if (running->request.flags & CALL_LARGE_INPUT)
		status = large_prepare(&running->input, running->connection,
				       (void *)(uintptr_t)call->input_struct, call->input_size,
				       false);
	if (status == kIOReturnSuccess && (running->request.flags & CALL_LARGE_OUTPUT))
		status = large_prepare(&running->output, running->connection, call->output_struct,
				       *call->output_size, true);
	return status;
}

static void
finish_large(struct running *running, bool answered)
{
	uint32_t kept = answered ? running->reply.flags : 0;

	if (running->input.memory != NULL)
		large_finish(&running->input, running->connection, answered,
			     (kept & CALL_KEPT_INPUT) != 0);
	if (running->output.memory != NULL)
		large_finish(&running->output, running->connection, answered,
			     (kept & CALL_KEPT_OUTPUT) != 0);
}

static IOReturn
send_structures(struct running *running)
{
	struct packet_header header = {.type = PACKET_STRUCTURES};
	struct structures_body body = {
		.slot = running->slot,
		.generation = running->request.generation,
	};
	unsigned count = 0;
	int fds[2];
	IOReturn status;

	if (running->input.memory != NULL) {
		body.flags |= STRUCTURES_INPUT;
		body.input_offset = running->input.offset;
		fds[count++] = running->input.fd;
	}
	if (running->output.memory != NULL) {
		body.flags |= STRUCTURES_OUTPUT;
		body.output_offset = running->output.offset;
		fds[count++] = running->output.fd;
	}
	status = connection_send(running->connection, &header, &body, sizeof(body), fds, count,
				 running->deadline);
	if (status == kIOReturnOffline) {
		connection_check(running->connection);
		status = MACH_SEND_INVALID_DEST;
	}
	return status;
}

/* --- completions --- */

/*
 * Registers for the completions of an async call. A table that is full may be so because releases
 * wait in a ring that nobody has emptied.
 */
static IOReturn
register_async(struct running *running)
{
	const struct method_call *call = running->call;
	struct call_request *request = &running->request;
	struct port *port = NULL;
	IOReturn status;

	if (call->wake_port != MACH_PORT_NULL) {
		port = port_copy(call->wake_port);
		if (port == NULL) {
			log_error("%s: wake_port 0x%x is no port of this process", call->function,
				  call->wake_port);
			return MACH_SEND_INVALID_RIGHT;
		}
	}
	status = ring_register(running->connection, port, call->reference, call->reference_count,
			       &request->async_index, &request->async_generation);
	if (status == kIOReturnNoResources) {
		connection_drain(running->connection);
		status = ring_register(running->connection, port, call->reference,
				       call->reference_count, &request->async_index,
				       &request->async_generation);
	}
	if (status == kIOReturnNoResources)
		log_error(
			"%s: %u completions are registered on this connection, which is the limit "
			"(DEXT_LIMIT_ASYNC)",
			call->function, DEXT_LIMIT_ASYNC);
	if (status == kIOReturnSuccess)
		request->flags |= CALL_ASYNC;
	if (port != NULL)
		port_release(port);
	return status;
}

/* --- the call --- */

static void
copy_outputs(const struct running *running)
{
	const struct method_call *call = running->call;
	const struct call_reply *reply = &running->reply;
	const struct call_data *data = &running->connection->client.page->data[running->slot];

	/* No more of either than there was room for, so none where there was no room. */
	if (reply->scalar_out_count > 0)
		slot_copy_scalars(running->connection, running->slot, reply, call->output);
	if (call->output_count != NULL)
		*call->output_count = reply->scalar_out_count;
	if (reply->structure_out_size > 0 &&
	    (!(running->request.flags & CALL_LARGE_OUTPUT) ||
	     (call->variable_output && reply->structure_out_size <= sizeof(data->output))))
		memcpy(call->output_struct, data->output, reply->structure_out_size);
	if (call->output_size != NULL)
		*call->output_size = reply->structure_out_size;
}

/* With the slot taken: everything up to giving it back. */
static IOReturn
run_in_slot(struct running *running, bool *ret_submitted)
{
	struct connection *connection = running->connection;
	const struct method_call *call = running->call;
	bool answered = false;
	IOReturn status;

	if (call->input_size > 0 && !(running->request.flags & CALL_LARGE_INPUT))
		memcpy(connection->client.page->data[running->slot].input, call->input_struct,
		       call->input_size);
	if (is_large(&running->request)) {
		status = send_structures(running);
		if (status != kIOReturnSuccess) {
			slot_give_back(connection, running->slot);
			return status;
		}
	}
	*ret_submitted = true;
	status = slot_submit(connection, running->slot, &running->request);
	if (status == kIOReturnSuccess)
		status = slot_await(connection, running->slot, &running->request, running->deadline,
				    &running->reply, &answered);
	while (answered && running->reply.flags == CALL_ASKS) {
		answered = false;
		status = question_answer(connection, running->slot, &running->request,
					 call->input_struct, call->input_size, running->deadline);
		if (status == kIOReturnSuccess)
			status = slot_await(connection, running->slot, &running->request,
					    running->deadline, &running->reply, &answered);
	}
	if (status == kIOReturnSuccess)
		copy_outputs(running);
	if (answered)
		slot_give_back(connection, running->slot);
	if (is_large(&running->request))
		finish_large(running, answered);
	return status;
}

static IOReturn
run(struct running *running)
{
	struct connection *connection = running->connection;
	struct call_request *request = &running->request;
	uint64_t timeout = atomic_load_explicit(&connection->timeout, memory_order_relaxed);
	IOReturn status = kIOReturnSuccess;
	bool submitted = false;

	if (timeout != 0)
		running->deadline = clock_now() + timeout;
	call_page_will_submit(&connection->client);
	fill_request(running);
	if (is_large(request))
		status = prepare_large(running);
	if (status == kIOReturnSuccess && running->call->is_async)
		status = register_async(running);
	if (status == kIOReturnSuccess)
		status = slot_take(connection, running->deadline, &running->slot,
				   &request->generation);
	if (status == kIOReturnSuccess)
		status = run_in_slot(running, &submitted);
	if (submitted)
		return status;
	if (request->flags & CALL_ASYNC)
		ring_unregister(connection, request->async_index, request->async_generation);
	finish_large(running, false);
	return status;
}

static IOReturn
run_uncancelled(struct running *running)
{
	UNCANCELLED;

	return run(running);
}

/*
 * Whether all that is left to do is to fill a slot and wait: nothing on that way is a cancellation
 * point, and what may have to be done on it besides (a page that is full, a question, a host that
 * has gone) is uncancelled where it is done. Most calls are, and switching cancellation off and on
 * would be a twentieth of such a call.
 */
static bool
is_plain(const struct method_call *call)
{
	return !call->is_async && call->input_size <= DEXT_STRUCTURE_INLINE_MAX &&
	       structure_room(call) <= DEXT_STRUCTURE_INLINE_MAX;
}

static kern_return_t
refuse_argument(const struct method_call *call, const char *argument)
{
	UNCANCELLED;

	log_error("%s: %s", call->function, argument);
	return is_too_long(call) ? MIG_ARRAY_TOO_LARGE : kIOReturnBadArgument;
}

static kern_return_t
refuse_name(const struct method_call *call, mach_port_t name)
{
	UNCANCELLED;

	log_debug("%s: 0x%x is no open connection", call->function, name);
	return object_refusal(name);
}

static kern_return_t
call_method(mach_port_t name, const struct method_call *call)
{
	ERRNO_KEPT;
	const char *argument = bad_argument(call);
	struct running running;
	IOReturn status;

	if (argument != NULL)
		return refuse_argument(call, argument);
	running.connection = object_enter(name);
	if (running.connection == NULL)
		return refuse_name(call, name);
	running.call = call;
	running.deadline = 0;
	running.input.memory = NULL;
	running.output.memory = NULL;
	status = connection_status(running.connection);
	if (status == kIOReturnSuccess)
		status = is_plain(call) ? run(&running) : run_uncancelled(&running);
	object_leave(name);
	return status;
}

/*
 * kIOConnectMethodVarOutputSize: the app does not know how much will come. So the room is memory of
 * as much as may come; of that the app keeps what did, and gives it back with vm_deallocate. A
 * short structure comes with the answer, and has it moved there.
 */
static kern_return_t
call_variable(mach_port_t name, const struct method_call *call)
{
	size_t room = DEXT_STRUCTURE_VARIABLE_MAX, size = room, used;
	struct method_call inner = *call;
	mach_vm_address_t address = 0;
	kern_return_t status;

	if (mach_vm_allocate(mach_task_self(), &address, room, VM_FLAGS_ANYWHERE) != KERN_SUCCESS)
		return kIOReturnNoMemory;
	inner.output_struct = (void *)(uintptr_t)address;
	inner.output_size = &size;
	inner.variable_output = true;
	status = call_method(name, &inner);
	used = status == kIOReturnSuccess ? page_round_up(size) : 0;
	if (mach_vm_deallocate(mach_task_self(), address + used, room - used) != KERN_SUCCESS) {
		/* The app would not know of the rest. */
		mach_vm_deallocate(mach_task_self(), address, room);
		return kIOReturnNoMemory;
	}
	if (status != kIOReturnSuccess)
		return status;
	*(vm_address_t *)call->output_struct = size > 0 ? (vm_address_t)address : 0;
	*call->output_size = size;
	return kIOReturnSuccess;
}

static kern_return_t
call_any(mach_port_t name, const struct method_call *call)
{
	if (call->output_struct != NULL && call->output_size != NULL &&
	    *call->output_size == (size_t)kIOConnectMethodVarOutputSize)
		return call_variable(name, call);
	return call_method(name, call);
}

kern_return_t
call_set_properties(const char *function, io_connect_t connect, const void *bytes, size_t length)
{
	const struct method_call call = {
		.function = function,
		.operation = CALL_SET_PROPERTIES,
		.input_struct = bytes,
		.input_size = length,
	};

	return call_method(connect, &call);
}

kern_return_t
dext_connect_set_timeout(io_connect_t connect, uint64_t nanoseconds)
{
	ERRNO_KEPT;
	struct connection *connection = object_copy_connection(connect);

	if (connection == NULL)
		return object_refusal(connect);
	/* So that no sum with the time overflows: centuries. */
	if (nanoseconds > INT64_MAX)
		nanoseconds = 0;
	/* Relaxed: of the calls that begin later. */
	atomic_store_explicit(&connection->timeout, nanoseconds, memory_order_relaxed);
	connection_release(connection);
	return kIOReturnSuccess;
}

kern_return_t
IOConnectCallMethod(mach_port_t connection, uint32_t selector, const uint64_t *input,
		    uint32_t input_count, const void *input_struct, size_t input_struct_size,
		    uint64_t *output, uint32_t *output_count, void *output_struct,
		    size_t *output_struct_size)
{
	const struct method_call call = {
		.function = "IOConnectCallMethod",
		.selector = selector,
		.input = input,
		.input_count = input_count,
		.input_struct = input_struct,
		.input_size = input_struct_size,
		.output = output,
		.output_count = output_count,
		.output_struct = output_struct,
		.output_size = output_struct_size,
	};

	return call_any(connection, &call);
}

kern_return_t
IOConnectCallStructMethod(mach_port_t connection, uint32_t selector, const void *input_struct,
			  size_t input_struct_size, void *output_struct, size_t *output_struct_size)
{
	return IOConnectCallMethod(connection, selector, NULL, 0, input_struct, input_struct_size,
				   NULL, NULL, output_struct, output_struct_size);
}

kern_return_t
IOConnectCallScalarMethod(mach_port_t connection, uint32_t selector, const uint64_t *input,
			  uint32_t input_count, uint64_t *output, uint32_t *output_count)
{
	const struct method_call call = {
		.function = "IOConnectCallScalarMethod",
		.selector = selector,
		.input = input,
		.input_count = input_count,
		.output = output,
		.output_count = output_count,
	};

	return call_method(connection, &call);
}

kern_return_t
IOConnectCallAsyncMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
			 uint64_t *reference, uint32_t reference_count, const uint64_t *input,
			 uint32_t input_count, const void *input_struct, size_t input_struct_size,
			 uint64_t *output, uint32_t *output_count, void *output_struct,
			 size_t *output_struct_size)
{
	const struct method_call call = {
		.function = "IOConnectCallAsyncMethod",
		.selector = selector,
		.input = input,
		.input_count = input_count,
		.input_struct = input_struct,
		.input_size = input_struct_size,
		.output = output,
		.output_count = output_count,
		.output_struct = output_struct,
		.output_size = output_struct_size,
		.is_async = true,
		.wake_port = wake_port,
		.reference = reference,
		.reference_count = reference_count,
	};

	return call_any(connection, &call);
}

kern_return_t
IOConnectCallAsyncStructMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
			       uint64_t *reference, uint32_t reference_count,
			       const void *input_struct, size_t input_struct_size,
			       void *output_struct, size_t *output_struct_size)
{
	return IOConnectCallAsyncMethod(connection, selector, wake_port, reference, reference_count,
					NULL, 0, input_struct, input_struct_size, NULL, NULL,
					output_struct, output_struct_size);
}

kern_return_t
IOConnectCallAsyncScalarMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
			       uint64_t *reference, uint32_t reference_count, const uint64_t *input,
			       uint32_t input_count, uint64_t *output, uint32_t *output_count)
{
	return IOConnectCallAsyncMethod(connection, selector, wake_port, reference, reference_count,
					input, input_count, NULL, 0, output, output_count, NULL,
					NULL);
}
