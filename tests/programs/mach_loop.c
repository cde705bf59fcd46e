/* SPDX-License-Identifier: Apache-2.0 */
/* Completions without a notification port: a receive right of one's own and a loop of mach_msg. */
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>
#include <mach/mach_time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef union {
    mach_msg_header_t header;
    struct {
        mach_msg_header_t header;
        OSNotificationHeader64 notifyHeader;
        IOAsyncCompletionContent asyncContent;
    } message;
    char room[1024];
} Buffer;

static int calls;

static void completed(void *refcon, IOReturn result, void *arg0, void *arg1)
{
    printf("%s: 0x%x %lu %lu\n", (const char *)refcon, result, (unsigned long)(uintptr_t)arg0,
           (unsigned long)(uintptr_t)arg1);
    calls++;
}

int main(void)
{
    mach_timebase_info_data_t timebase;
    mach_port_t port = MACH_PORT_NULL;
    uint64_t reference[kOSAsyncRef64Count];
    uint64_t input[2] = { 21, 42 };
    io_service_t service;
    io_connect_t connect;
    uint64_t start, elapsed;
    kern_return_t kr;
    Buffer buffer;

    service = IOServiceGetMatchingService(kIOMasterPortDefault, IOServiceNameMatching("Echo"));
    if (!service || IOServiceOpen(service, mach_task_self(), 0, &connect) != KERN_SUCCESS)
        return EXIT_FAILURE;
    IOObjectRelease(service);

    kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    if (kr == KERN_SUCCESS)
        kr = mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
    if (kr != KERN_SUCCESS) {
        mach_error("can't make a port:", kr);
        return EXIT_FAILURE;
    }
    memset(reference, 0, sizeof(reference));
    reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)completed;
    reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)"by callout";
    kr = IOConnectCallAsyncScalarMethod(connect, 1, port, reference, kIOAsyncCalloutCount, input, 2, NULL, NULL);
    if (kr != KERN_SUCCESS)
        return EXIT_FAILURE;

    kr = mach_msg(&buffer.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(buffer), port, 10000, MACH_PORT_NULL);
    if (kr != MACH_MSG_SUCCESS) {
        mach_error("mach_msg", kr);
        return EXIT_FAILURE;
    }
    if (buffer.header.msgh_id != kOSNotificationMessageID ||
        buffer.message.notifyHeader.type != kIOAsyncCompletionNotificationType) {
        printf("a message of another kind: %d\n", buffer.header.msgh_id);
        return EXIT_FAILURE;
    }
    printf("by hand: 0x%x, reference %s\n", buffer.message.asyncContent.result,
           (const char *)(uintptr_t)buffer.message.notifyHeader.reference[kIOAsyncCalloutRefconIndex]);
    IODispatchCalloutFromMessage(NULL, &buffer.header, NULL);

    start = mach_absolute_time();
    kr = mach_msg(&buffer.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(buffer), port, 20, MACH_PORT_NULL);
    elapsed = mach_absolute_time() - start;
    mach_timebase_info(&timebase);
    elapsed = elapsed * timebase.numer / timebase.denom;
    printf("nothing more: %s, after %s\n", kr == MACH_RCV_TIMED_OUT ? "timed out" : mach_error_string(kr),
           elapsed >= 20 * NSEC_PER_MSEC ? "20 ms" : "too little");

    mach_port_deallocate(mach_task_self(), port);
    kr = mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
    IOServiceClose(connect);
    return kr == KERN_SUCCESS && calls == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
