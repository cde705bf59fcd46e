/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls the methods of a user client, as they are named on the command line:
 *
 *	client_tool service command [argument...]
 */
#include <IOKit/IOKitLib.h>
#include <mach/mach_error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* These match the constants of the driver. */
enum {
    kSelectorEcho,
    kSelectorComplete,
    kSelectorHang,
    kSelectorClients,
    kSelectorFill,
    kNumberOfSelectors
};

typedef struct {
    const char *name;
    uint32_t selector;
} Command;

static const Command commands[] = {
    { "echo", kSelectorEcho },
    { "clients", kSelectorClients },
    { "fill", kSelectorFill },
    { "bogus", kNumberOfSelectors + 50 },
    { NULL, 0 },
};

static kern_return_t openService(const char *name, io_connect_t *connect)
{
    io_iterator_t iterator;
    io_service_t service;
    kern_return_t kernResult;

    kernResult = IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceNameMatching(name), &iterator);
    if (kernResult != KERN_SUCCESS) {
        fprintf(stderr, "IOServiceGetMatchingServices returned 0x%08x\n\n", kernResult);
        return kernResult;
    }
    service = IOIteratorNext(iterator);
    IOObjectRelease(iterator);
    if (service == IO_OBJECT_NULL) {
        fprintf(stderr, "No %s found.\n", name);
        return kIOReturnNotFound;
    }
    kernResult = IOServiceOpen(service, mach_task_self(), 0, connect);
    IOObjectRelease(service);
    return kernResult;
}

static kern_return_t perform(io_connect_t connect, const Command *command, int argc, char **argv)
{
    uint64_t scalarI_64[16] = { 0 };
    uint64_t scalarO_64[16] = { 0 };
    uint32_t outputCount = 16;
    uint32_t i;
    kern_return_t kr;

    for (i = 0; i < (uint32_t)argc && i < 16; i++)
        scalarI_64[i] = strtoull(argv[i], NULL, 0);

    switch (command->selector) {
    case kSelectorEcho:
        kr = IOConnectCallScalarMethod(connect, kSelectorEcho, scalarI_64, (uint32_t)argc, scalarO_64, &outputCount);
        break;
    case kSelectorClients:
        outputCount = 1;
        kr = IOConnectCallMethod(connect, kSelectorClients, NULL, 0, NULL, 0, scalarO_64, &outputCount, NULL, NULL);
        break;
    case kSelectorFill:
        outputCount = 0;
        kr = IOConnectCallScalarMethod(connect, kSelectorFill, scalarI_64, 1, NULL, NULL);
        break;
    default:
        outputCount = 0;
        kr = IOConnectCallScalarMethod(connect, command->selector, NULL, 0, NULL, NULL);
        break;
    }
    if (kr == KERN_SUCCESS) {
        printf("%s was successful:", command->name);
        for (i = 0; i < outputCount; i++)
            printf(" %llu", (unsigned long long)scalarO_64[i]);
        printf("\n");
    } else {
        printf("%s returned 0x%08x (%s)\n", command->name, kr, mach_error_string(kr));
    }
    return kr;
}

int main(int argc, char *argv[])
{
    const Command *command;
    io_connect_t connect = IO_OBJECT_NULL;
    kern_return_t kr;

    if (argc < 3) {
        fprintf(stderr, "usage: %s service command [argument...]\n", argv[0]);
        return 2;
    }
    for (command = commands; command->name; command++)
        if (!strcmp(command->name, argv[2]))
            break;
    if (!command->name) {
        fprintf(stderr, "%s: no such command\n", argv[2]);
        return 2;
    }
    kr = openService(argv[1], &connect);
    if (kr != KERN_SUCCESS)
        return EXIT_FAILURE;
    kr = perform(connect, command, argc - 3, argv + 3);
    if (IOServiceClose(connect) != KERN_SUCCESS)
        fprintf(stderr, "IOServiceClose failed\n");
    return kr == KERN_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
