/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOConnectMethod...: the calls of before 2007, with 32-bit scalars as variable arguments. Each is
 * an IOConnectCallMethod; scalars are sign-extended as C does it.
 */
#include <stdarg.h>

#include "bounds.h"
#include "log.h"

#include <IOKit/IOKitLib.h>

static bool
check_counts(const char *function, IOItemCount input_count, IOItemCount output_count)
{
	if (input_count <= DEXT_SCALARS_MAX && output_count <= DEXT_SCALARS_MAX)
		return true;
	log_error("%s: at most %u scalars go each way", function, DEXT_SCALARS_MAX);
	return false;
}

kern_return_t
IOConnectMethodScalarIScalarO(io_connect_t connect, uint32_t index, IOItemCount input_count,
			      IOItemCount output_count, ...)
{
	uint64_t input[DEXT_SCALARS_MAX], output[DEXT_SCALARS_MAX] = {0};
	uint32_t count = output_count;
	kern_return_t status;
	va_list arguments;

	if (!check_counts("IOConnectMethodScalarIScalarO", input_count, output_count))
		return kIOReturnBadArgument;
	va_start(arguments, output_count);
	for (IOItemCount i = 0; i < input_count; i++)
		input[i] = (uint64_t)(int64_t)va_arg(arguments, int);
	status = IOConnectCallScalarMethod(connect, index, input, input_count,
					   output_count > 0 ? output : NULL, &count);
	for (IOItemCount i = 0; i < output_count && status == kIOReturnSuccess; i++) {
		int *place = va_arg(arguments, int *);

		*place = (int)output[i];
	}
	va_end(arguments);
	return status;
}

kern_return_t
IOConnectMethodScalarIStructureO(io_connect_t connect, uint32_t index, IOItemCount input_count,
				 IOByteCount *structure_size, ...)
{
	uint64_t input[DEXT_SCALARS_MAX];
	size_t size = structure_size != NULL ? (size_t)*structure_size : 0;
	kern_return_t status;
	va_list arguments;

	if (!check_counts("IOConnectMethodScalarIStructureO", input_count, 0))
		return kIOReturnBadArgument;
	va_start(arguments, structure_size);
	for (IOItemCount i = 0; i < input_count; i++)
		input[i] = (uint64_t)(int64_t)va_arg(arguments, int);
	status = IOConnectCallMethod(connect, index, input, input_count, NULL, 0, NULL, NULL,
				     va_arg(arguments, void *), &size);
	va_end(arguments);
	if (status == kIOReturnSuccess && structure_size != NULL)
		*structure_size = size;
	return status;
}

kern_return_t
IOConnectMethodScalarIStructureI(io_connect_t connect, uint32_t index, IOItemCount input_count,
				 IOByteCount structure_size, ...)
{
	uint64_t input[DEXT_SCALARS_MAX];
	kern_return_t status;
	va_list arguments;

	if (!check_counts("IOConnectMethodScalarIStructureI", input_count, 0))
		return kIOReturnBadArgument;
	va_start(arguments, structure_size);
	for (IOItemCount i = 0; i < input_count; i++)
		input[i] = (uint64_t)(int64_t)va_arg(arguments, int);
	status = IOConnectCallMethod(connect, index, input, input_count, va_arg(arguments, void *),
				     (size_t)structure_size, NULL, NULL, NULL, NULL);
	va_end(arguments);
	return status;
}

kern_return_t
IOConnectMethodStructureIStructureO(io_connect_t connect, uint32_t index, IOByteCount input_size,
				    IOByteCount *output_size, void *input, void *output)
{
	size_t size = output_size != NULL ? (size_t)*output_size : 0;
	kern_return_t status =
		IOConnectCallStructMethod(connect, index, input, (size_t)input_size, output, &size);

	if (status == kIOReturnSuccess && output_size != NULL)
		*output_size = size;
	return status;
}
