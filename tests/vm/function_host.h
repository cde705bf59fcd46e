/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of function.h, on the scene of real.h: its streams, and what the device says of
 * them. */
#ifndef TESTS_VM_FUNCTION_HOST_H
#define TESTS_VM_FUNCTION_HOST_H

#include "function.h"
#include "real.h"

#define LONG_MSEC 60000 /* emulation is slow */

__attribute__((unused)) static IOReturn
io(IOUSBHostPipe *pipe, uint32_t length, uint32_t timeout, uint32_t *ret_actual)
{
	*ret_actual = 0;
	return IOUSBHostPipe_IO(pipe, scene_memory(&scene), length, ret_actual, timeout);
}

__attribute__((unused)) static uint64_t sent, received;
static unsigned transfers;

__attribute__((unused)) static void
order(uint8_t request, uint16_t value)
{
	ck_assert_int_eq(IOUSBHostInterface_DeviceRequest(scene.interface, 0x41, request, value, 0,
							  0, NULL, NULL, LONG_MSEC),
			 kIOReturnSuccess);
}

__attribute__((unused)) static struct function_state
ask_state(void)
{
	struct function_state state;
	uint16_t actual = 0;

	ck_assert_int_eq(IOUSBHostInterface_DeviceRequest(scene.interface, 0xc1, FUNCTION_STATE, 0,
							  0, sizeof(state), scene_memory(&scene),
							  &actual, LONG_MSEC),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, sizeof(state));
	memcpy(&state, scene.bytes, sizeof(state));
	return state;
}

/* Its thread looks at a transfer a moment after that has ended here. */
__attribute__((unused)) static void
check_state(void)
{
	time_t deadline = time(NULL) + LONG_MSEC / 1000;
	struct function_state state;

	do
		state = ask_state();
	while ((state.out_bytes < sent || state.out_reads < transfers) && time(NULL) < deadline);
	ck_assert_uint_eq(state.out_bytes, sent);
	ck_assert_uint_eq(state.out_reads, transfers);
	ck_assert_uint_eq(state.out_wrong, 0);
}

__attribute__((unused)) static IOReturn
send_stream(uint32_t length, uint32_t timeout)
{
	uint32_t actual;
	IOReturn res;

	for (uint32_t i = 0; i < length; i++)
		scene.bytes[i] = function_byte(sent + i);
	res = io(scene.out, length, timeout, &actual);
	sent += actual;
	transfers += res == kIOReturnSuccess;
	return res;
}

/* The device has counted whatever it ever got, and its stream begins anew. */
__attribute__((unused)) static void
begin_stream(void)
{
	static uint64_t number;
	const struct function_mark mark = {FUNCTION_MAGIC, ++number};
	time_t deadline = time(NULL) + LONG_MSEC / 1000;
	struct function_state state;
	uint32_t actual;

	memcpy(scene.bytes, &mark, sizeof(mark));
	ck_assert_int_eq(io(scene.out, sizeof(mark), LONG_MSEC, &actual), kIOReturnSuccess);
	do
		state = ask_state();
	while (state.out_mark != number && time(NULL) < deadline);
	ck_assert_uint_eq(state.out_mark, number);
	sent = transfers = 0;
}

#endif
