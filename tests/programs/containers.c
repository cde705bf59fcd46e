/* SPDX-License-Identifier: Apache-2.0 */
/* A program's own data in CoreFoundation's containers: plain pointers, its own callbacks, sorted tables. */
#include <CoreFoundation/CoreFoundation.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CF_EXTERN_C_BEGIN

typedef CF_ENUM(CFIndex, DeviceKind) { kDeviceKindHub, kDeviceKindOther };
typedef CF_OPTIONS(CFOptionFlags, DeviceOptions) { kDeviceOptionNone = 0, kDeviceOptionQuiet = 1 << 0 };
CF_ENUM(int) { kDeviceCount = 8 };

CF_INLINE DeviceKind kindOf(const char *_Nullable name)
{
    return name && strcmp(name, "hub") == 0 ? kDeviceKindHub : kDeviceKindOther;
}

CF_EXTERN_C_END

typedef struct Device {
    int refCount;
    UInt32 locationID;
    char name[16];
} Device;

static int freed;

static Device *createDevice(UInt32 locationID, const char *name)
{
    Device *device = (Device *)CFAllocatorAllocate(kCFAllocatorDefault, sizeof(Device), 0);

    device->refCount = 1;
    device->locationID = locationID;
    strncpy(device->name, name, sizeof(device->name) - 1);
    device->name[sizeof(device->name) - 1] = 0;
    return device;
}

static const void *retainDevice(CFAllocatorRef allocator, const void *value)
{
    (void)allocator;
    ((Device *)value)->refCount++;
    return value;
}

static void releaseDevice(CFAllocatorRef allocator, const void *value)
{
    Device *device = (Device *)value;

    if (--device->refCount == 0) {
        CFAllocatorDeallocate(allocator, device);
        freed++;
    }
}

static CFStringRef describeDevice(const void *value)
{
    const Device *device = (const Device *)value;

    return CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("<Device %s at 0x%x>"), device->name,
                                    (unsigned)device->locationID);
}

static Boolean equalDevices(const void *one, const void *other)
{
    return ((const Device *)one)->locationID == ((const Device *)other)->locationID;
}

static CFHashCode hashDevice(const void *value)
{
    return ((const Device *)value)->locationID;
}

static CFComparisonResult byName(const void *one, const void *other, void *context)
{
    (void)context;
    return (CFComparisonResult)strcmp(((const Device *)one)->name, ((const Device *)other)->name);
}

static void printDevice(const void *value, void *context)
{
    printf("%s%s", (*(int *)context)++ ? ", " : "", ((const Device *)value)->name);
}

int main(void)
{
    const CFArrayCallBacks deviceArrayCallBacks = { 0, retainDevice, releaseDevice, describeDevice, equalDevices };
    const CFSetCallBacks deviceSetCallBacks = { 0, retainDevice, releaseDevice, describeDevice, equalDevices, hashDevice };
    CFDictionaryValueCallBacks deviceValueCallBacks = { 0, retainDevice, releaseDevice, describeDevice, equalDevices };
    CFDictionaryKeyCallBacks weakKeys = kCFTypeDictionaryKeyCallBacks;
    static const char *names[] = { "mouse", "keyboard", "adapter", "hub" };
    CFMutableArrayRef devices = CFArrayCreateMutable(NULL, 0, &deviceArrayCallBacks);
    CFMutableArrayRef pointers = CFArrayCreateMutable(NULL, 0, NULL);
    CFMutableDictionaryRef byLocation = CFDictionaryCreateMutable(NULL, 0, NULL, &deviceValueCallBacks);
    CFMutableDictionaryRef counts = CFDictionaryCreateMutable(NULL, 0, &weakKeys, NULL);
    CFMutableSetRef seen = CFSetCreateMutable(NULL, 0, &deviceSetCallBacks);
    CFStringRef words;
    CFIndex i, printed;
    Device probe;
    char text[256];
    int count = 0;
    DeviceOptions options = kDeviceOptionQuiet;

    for (i = 0; i < kDeviceCount; i++) {
        Device *device = createDevice((UInt32)(0x14100000 + (i % 4) * 0x10000), names[i % 4]);

        if (!CFSetContainsValue(seen, device)) {
            CFSetAddValue(seen, device);
            CFArrayAppendValue(devices, device);
            CFArrayAppendValue(pointers, device);
            CFDictionarySetValue(byLocation, (const void *)(uintptr_t)device->locationID, device);
        }
        releaseDevice(NULL, device);
    }
    printf("%ld devices, %d freed\n", (long)CFArrayGetCount(devices), freed);

    CFArraySortValues(devices, CFRangeMake(0, CFArrayGetCount(devices)), byName, NULL);
    CFArrayApplyFunction(devices, CFRangeMake(0, CFArrayGetCount(devices)), printDevice, &count);
    printf("\n");

    memset(&probe, 0, sizeof(probe));
    probe.locationID = 0x14120000;
    i = CFArrayGetFirstIndexOfValue(devices, CFRangeMake(0, CFArrayGetCount(devices)), &probe);
    printf("at %ld, in the set: %s\n", (long)i,
           ((const Device *)CFSetGetValue(seen, &probe))->name);
    if (kindOf("hub") != kDeviceKindHub || !(options & kDeviceOptionQuiet))
        return 1;
    printf("pointers: %d\n", CFArrayContainsValue(pointers, CFRangeMake(0, CFArrayGetCount(pointers)), &probe));
    printf("by location: %s\n",
           ((const Device *)CFDictionaryGetValue(byLocation, (const void *)(uintptr_t)0x14130000))->name);

    words = CFCopyDescription(devices);
    CFStringGetCString(words, text, sizeof(text), kCFStringEncodingUTF8);
    printf("%s\n", strstr(text, "<Device adapter at 0x14120000>") ? "described" : text);
    CFRelease(words);

    /* counters by name */
    for (i = 0; i < 4; i++) {
        const void *value = NULL;
        CFStringRef key = i == 3 ? CFSTR("hub") : CFSTR("mouse");

        CFDictionaryGetValueIfPresent(counts, key, &value);
        CFDictionarySetValue(counts, key, (const void *)((uintptr_t)value + 1));
    }
    printed = (CFIndex)(uintptr_t)CFDictionaryGetValue(counts, CFSTR("mouse"));
    printf("mouse %ld, hub %ld, pad %d\n", (long)printed,
           (long)(uintptr_t)CFDictionaryGetValue(counts, CFSTR("hub")), CFDictionaryContainsKey(counts, CFSTR("pad")));

    CFRelease(pointers);
    CFRelease(counts);
    CFRelease(devices);
    CFRelease(byLocation);
    printf("%d freed\n", freed);
    CFRelease(seen);
    printf("%d freed\n", freed);
    return 0;
}
