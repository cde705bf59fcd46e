/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the driver for completions and receives them on the run loop, with a timer as a watchdog. */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

#include <pthread.h>
#include <stdio.h>

#define kCompletions 5

typedef struct {
    int received;
    int timedOut;
    UInt64 sum;
    CFMutableArrayRef log;
    CFRunLoopRef runLoop;
} MyPrivateData;

static void gotCompletion(void *refcon, IOReturn result, void **args, UInt32 numArgs)
{
    MyPrivateData *data = (MyPrivateData *)refcon;
    CFStringRef line;
    UInt32 i;

    line = CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("completion %d: 0x%08x, %u arguments"),
                                    data->received, result, (unsigned)numArgs);
    CFArrayAppendValue(data->log, line);
    CFRelease(line);
    for (i = 0; i < numArgs; i++)
        data->sum += (UInt64)(uintptr_t)args[i];
    if (++data->received == kCompletions)
        CFRunLoopStop(data->runLoop);
}

static void watchdog(CFRunLoopTimerRef timer, void *info)
{
    MyPrivateData *data = (MyPrivateData *)info;

    (void)timer;
    data->timedOut = 1;
    CFRunLoopStop(data->runLoop);
}

int main(int argc, const char *argv[])
{
    MyPrivateData data = { 0, 0, 0, NULL, NULL };
    CFRunLoopTimerContext context = { 0, NULL, NULL, NULL, NULL };
    IONotificationPortRef notifyPort;
    CFRunLoopSourceRef source;
    CFRunLoopTimerRef timer;
    io_async_ref64_t asyncRef;
    io_connect_t connect;
    io_service_t service;
    kern_return_t kr;
    CFIndex i;
    int call;

    (void)argc;
    (void)argv;
    service = IOServiceGetMatchingService(kIOMasterPortDefault, IOServiceNameMatching("Echo"));
    if (!service)
        return 1;
    kr = IOServiceOpen(service, mach_task_self(), 0, &connect);
    IOObjectRelease(service);
    if (kr != KERN_SUCCESS)
        return 1;

    data.log = CFArrayCreateMutable(kCFAllocatorDefault, 0, &kCFTypeArrayCallBacks);
    data.runLoop = CFRunLoopGetCurrent();
    notifyPort = IONotificationPortCreate(kIOMasterPortDefault);
    source = IONotificationPortGetRunLoopSource(notifyPort);
    CFRunLoopAddSource(data.runLoop, source, kCFRunLoopDefaultMode);

    context.info = &data;
    timer = CFRunLoopTimerCreate(kCFAllocatorDefault, CFAbsoluteTimeGetCurrent() + 20.0, 0, 0, 0, watchdog, &context);
    CFRunLoopAddTimer(data.runLoop, timer, kCFRunLoopCommonModes);

    asyncRef[kIOAsyncReservedIndex] = 0;
    asyncRef[kIOAsyncCalloutFuncIndex] = (io_user_reference_t)(uintptr_t)&gotCompletion;
    asyncRef[kIOAsyncCalloutRefconIndex] = (io_user_reference_t)(uintptr_t)&data;
    for (call = 0; call < kCompletions; call++) {
        uint64_t input[3] = { 1, 10, 100 };

        kr = IOConnectCallAsyncScalarMethod(connect, 1, IONotificationPortGetMachPort(notifyPort), asyncRef,
                                            kIOAsyncCalloutCount, input, 3, NULL, NULL);
        if (kr != KERN_SUCCESS) {
            fprintf(stderr, "IOConnectCallAsyncScalarMethod 0x%08x\n", kr);
            return 1;
        }
    }
    CFRunLoopRun();

    for (i = 0; i < CFArrayGetCount(data.log); i++) {
        char text[128];

        if (CFStringGetCString((CFStringRef)CFArrayGetValueAtIndex(data.log, i), text, sizeof(text),
                               kCFStringEncodingMacRoman))
            puts(text);
    }
    printf("sum %llu%s\n", (unsigned long long)data.sum, data.timedOut ? ", timed out" : "");

    CFRunLoopTimerInvalidate(timer);
    CFRelease(timer);
    CFRunLoopRemoveSource(data.runLoop, source, kCFRunLoopDefaultMode);
    IONotificationPortDestroy(notifyPort);
    IOServiceClose(connect);
    CFRelease(data.log);
    return data.received == kCompletions ? 0 : 1;
}
