/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as a tree, with the properties of what matches a class name.
 *
 *	registry_dump [-p plane] [-c class]
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

#include <getopt.h>

struct options {
    const char *plane;
    const char *className;
    int shown;
};

static void indent(int depth)
{
    int i;

    for (i = 0; i < depth; i++)
        printf("  ");
}

static void printValue(CFTypeRef value, int depth);

struct context {
    int depth;
};

static void printPair(const void *key, const void *value, void *ctx)
{
    struct context *context = (struct context *)ctx;
    char name[256];

    if (!CFStringGetCString((CFStringRef)key, name, sizeof(name), kCFStringEncodingUTF8))
        return;
    indent(context->depth);
    printf("\"%s\" = ", name);
    printValue(value, context->depth + 1);
    printf("\n");
}

static void printElement(const void *value, void *ctx)
{
    printValue(value, ((struct context *)ctx)->depth);
    printf(",");
}

static void printValue(CFTypeRef value, int depth)
{
    CFTypeID type = CFGetTypeID(value);
    struct context context = { depth };

    if (type == CFStringGetTypeID()) {
        const char *fast = CFStringGetCStringPtr((CFStringRef)value, kCFStringEncodingMacRoman);
        char buffer[1024];

        if (fast)
            printf("\"%s\"", fast);
        else if (CFStringGetCString((CFStringRef)value, buffer, sizeof(buffer), kCFStringEncodingUTF8))
            printf("\"%s\"", buffer);
    } else if (type == CFNumberGetTypeID()) {
        long long number = 0;

        CFNumberGetValue((CFNumberRef)value, kCFNumberLongLongType, &number);
        printf("%lld", number);
    } else if (type == CFBooleanGetTypeID()) {
        printf("%s", CFBooleanGetValue((CFBooleanRef)value) ? "Yes" : "No");
    } else if (type == CFDataGetTypeID()) {
        const UInt8 *bytes = CFDataGetBytePtr((CFDataRef)value);
        CFIndex i;

        printf("<");
        for (i = 0; i < CFDataGetLength((CFDataRef)value); i++)
            printf("%02x", bytes[i]);
        printf(">");
    } else if (type == CFArrayGetTypeID()) {
        printf("(");
        CFArrayApplyFunction((CFArrayRef)value, CFRangeMake(0, CFArrayGetCount((CFArrayRef)value)), printElement,
                             &context);
        printf(")");
    } else if (type == CFDictionaryGetTypeID()) {
        printf("{\n");
        CFDictionaryApplyFunction((CFDictionaryRef)value, printPair, &context);
        indent(depth - 1);
        printf("}");
    } else {
        CFStringRef description = CFCopyTypeIDDescription(type);

        printf("<a ");
        fflush(stdout);
        CFShow(description);
        printf(">");
        CFRelease(description);
    }
}

static void printEntry(io_registry_entry_t entry, int depth, struct options *options)
{
    io_name_t name, location, className;
    uint64_t entryID = 0;
    uint32_t busy = 0, retains;
    kern_return_t kr;

    kr = IORegistryEntryGetNameInPlane(entry, options->plane, name);
    if (kr != KERN_SUCCESS)
        return;
    indent(depth);
    printf("+-o %s", name);
    if (IORegistryEntryGetLocationInPlane(entry, options->plane, location) == KERN_SUCCESS)
        printf("@%s", location);
    if (IOObjectGetClass(entry, className) != KERN_SUCCESS)
        strcpy(className, "?");
    IORegistryEntryGetRegistryEntryID(entry, &entryID);
    IOServiceGetBusyState(entry, &busy);
    retains = IOObjectGetKernelRetainCount(entry);
    printf("  <class %s, id 0x%llx, busy %u, retain %s>\n", className, (unsigned long long)entryID, busy,
           retains ? "yes" : "no");
    if (options->className && IOObjectConformsTo(entry, options->className)) {
        CFMutableDictionaryRef properties = NULL;
        struct context context = { depth + 2 };

        kr = IORegistryEntryCreateCFProperties(entry, &properties, kCFAllocatorDefault, kNilOptions);
        if (kr == KERN_SUCCESS && properties) {
            indent(depth + 1);
            printf("{\n");
            CFDictionaryApplyFunction(properties, printPair, &context);
            indent(depth + 1);
            printf("}\n");
            CFShow(properties);
            CFRelease(properties);
            options->shown++;
        }
    }
}

static void walk(io_registry_entry_t entry, int depth, struct options *options)
{
    io_iterator_t children = 0;
    io_registry_entry_t child;

    printEntry(entry, depth, options);
    if (IORegistryEntryGetChildIterator(entry, options->plane, &children) != KERN_SUCCESS)
        return;
    while ((child = IOIteratorNext(children))) {
        walk(child, depth + 1, options);
        IOObjectRelease(child);
    }
    IOObjectRelease(children);
}

int main(int argc, char **argv)
{
    struct options options = { kIOServicePlane, NULL, 0 };
    mach_port_t masterPort = MACH_PORT_NULL;
    io_registry_entry_t root;
    int ch;

    while ((ch = getopt(argc, argv, "p:c:")) != -1) {
        if (ch == 'p')
            options.plane = optarg;
        else if (ch == 'c')
            options.className = optarg;
        else
            return EXIT_FAILURE;
    }
    if (IOMasterPort(MACH_PORT_NULL, &masterPort) != KERN_SUCCESS) {
        fprintf(stderr, "can't obtain the master port\n");
        return EXIT_FAILURE;
    }
    root = IORegistryGetRootEntry(masterPort);
    if (root == MACH_PORT_NULL) {
        fprintf(stderr, "can't obtain the registry root\n");
        return EXIT_FAILURE;
    }
    walk(root, 0, &options);
    IOObjectRelease(root);
    return options.className && !options.shown ? EXIT_FAILURE : EXIT_SUCCESS;
}
