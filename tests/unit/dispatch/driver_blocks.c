/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's queue with blocks, and IOCallOnce. */
#include <DriverKit/DriverKit.h>

#include "block_forms.h"

int
block_driver_queue(void)
{
	IODispatchQueue *queue = NULL;
	__block int sum = 0;

	if (IODispatchQueue_Create("blocks", 0, 0, &queue) != kIOReturnSuccess)
		return -1;
	for (int i = 1; i <= 4; i++)
		IODispatchQueue_DispatchAsync(queue, ^{
		  sum += i;
		});
	IODispatchQueue_DispatchConcurrent(queue, ^{
	  sum *= 2;
	});
	IODispatchQueue_DispatchSync(queue, ^{
	  sum += 1;
	});
	IODispatchQueue_Cancel(queue, ^{
	  sum *= 100;
	});
	IODispatchQueue_DispatchAsync(queue, ^{
	  sum = -1; /* dropped */
	});
	OSRelease(queue);
	return sum;
}

int
block_call_once(void)
{
	static IOCallOnceFlag flag;
	__block int calls = 0;

	for (int i = 0; i < 2; i++)
		IOCallOnce(&flag, ^{
		  calls++;
		});
	return calls;
}
