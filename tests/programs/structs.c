/* SPDX-License-Identifier: Apache-2.0 */
/* A request and a reply as packed structures in the device's byte order, small and large. */
#include <CoreFoundation/CFByteOrder.h>
#include <IOKit/IOKitLib.h>
#include <libkern/OSByteOrder.h>
#include <sys/types.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define kRequestMagic 0x4f44

#pragma pack(push, 1)
typedef struct {
    UInt16 magic; /* big endian */
    UInt8 command;
    UInt32 length; /* little endian */
    UInt64 cookie; /* big endian */
    UInt8 payload[32];
} Request;
#pragma pack(pop)

static kern_return_t roundTrip(io_connect_t connect, const void *input, size_t inputSize, void *output,
                               size_t *outputSize)
{
    return IOConnectCallStructMethod(connect, 0, input, inputSize, output, outputSize);
}

int main(void)
{
    io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Echo"));
    io_connect_t connect = IO_OBJECT_NULL;
    Request request, reply;
    size_t size = sizeof(reply);
    UInt8 *block, *back;
    const size_t blockSize = 4096;
    kern_return_t kr;
    size_t i;

    if (!service) {
        fprintf(stderr, "no service\n");
        return 1;
    }
    kr = IOServiceOpen(service, mach_task_self(), 0, &connect);
    IOObjectRelease(service);
    if (kr != kIOReturnSuccess) {
        fprintf(stderr, "IOServiceOpen: 0x%x\n", kr);
        return 1;
    }

    bzero(&request, sizeof(request));
    request.magic = OSSwapHostToBigInt16(kRequestMagic);
    request.command = 7;
    request.length = CFSwapInt32HostToLittle((UInt32)sizeof(request));
    request.cookie = OSSwapHostToBigInt64(0x0123456789abcdefULL);
    for (i = 0; i < sizeof(request.payload); i++)
        request.payload[i] = (UInt8)(i * i);
    assert(sizeof(Request) == 47);

    kr = roundTrip(connect, &request, sizeof(request), &reply, &size);
    if (kr != kIOReturnSuccess || size != sizeof(reply) || memcmp(&request, &reply, size)) {
        fprintf(stderr, "structure: 0x%x, %lu bytes\n", kr, (unsigned long)size);
        return 1;
    }
    printf("magic %04x, first byte %02x, length %u, cookie %llx\n", OSSwapBigToHostInt16(reply.magic),
           ((UInt8 *)&reply)[0], CFSwapInt32LittleToHost(reply.length),
           (unsigned long long)CFSwapInt64BigToHost(reply.cookie));
    printf("%s endian\n", CFByteOrderGetCurrent() == CFByteOrderLittleEndian ? "little" : "big");

    block = (UInt8 *)malloc(blockSize);
    back = (UInt8 *)malloc(blockSize);
    for (i = 0; i < blockSize; i++)
        block[i] = (UInt8)(i * 31 + 7);
    size = blockSize;
    kr = roundTrip(connect, block, blockSize, back, &size);
    printf("block: 0x%x, %lu bytes, %s\n", kr, (unsigned long)size, memcmp(block, back, blockSize) ? "other" : "same");

    /* too little room for the answer */
    size = 16;
    kr = roundTrip(connect, &request, sizeof(request), &reply, &size);
    printf("no room: 0x%x\n", kr);

    free(block);
    free(back);
    IOServiceClose(connect);
    return 0;
}
