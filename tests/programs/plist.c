/* SPDX-License-Identifier: Apache-2.0 */
/* Settings as a property list: made, written in both formats, read back, changed, and what is no list. */
#include <CoreFoundation/CoreFoundation.h>

#include <stdio.h>
#include <unistd.h>

static CFPropertyListRef createSettings(void)
{
    CFMutableDictionaryRef dict;
    CFNumberRef num;
    CFArrayRef array;
    CFDataRef data;
    CFDateRef date;
    CFStringRef name;
    CFStringRef children[] = { CFSTR("left"), CFSTR("right"), CFSTR("caf\xc3\xa9 & <co>") };
    const UInt8 firmware[] = { 0xde, 0xad, 0xbe, 0xef };
    SInt32 baud = 115200;
    double gain = -0.25;

    dict = CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks,
                                     &kCFTypeDictionaryValueCallBacks);
    name = CFStringCreateWithFormat(NULL, NULL, CFSTR("board-%03d"), 7);
    CFDictionarySetValue(dict, CFSTR("Name"), name);
    CFRelease(name);
    num = CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt32Type, &baud);
    CFDictionarySetValue(dict, CFSTR("Baud"), num);
    CFRelease(num);
    num = CFNumberCreate(kCFAllocatorDefault, kCFNumberDoubleType, &gain);
    CFDictionarySetValue(dict, CFSTR("Gain"), num);
    CFRelease(num);
    array = CFArrayCreate(kCFAllocatorDefault, (const void **)children, 3, &kCFTypeArrayCallBacks);
    CFDictionarySetValue(dict, CFSTR("Channels"), array);
    CFRelease(array);
    data = CFDataCreate(kCFAllocatorDefault, firmware, sizeof(firmware));
    CFDictionarySetValue(dict, CFSTR("Firmware"), data);
    CFRelease(data);
    date = CFDateCreate(kCFAllocatorDefault, 700000000.0);
    CFDictionarySetValue(dict, CFSTR("Calibrated"), date);
    CFRelease(date);
    CFDictionarySetValue(dict, CFSTR("Enabled"), kCFBooleanTrue);
    return dict;
}

static int roundTrip(CFPropertyListRef list, CFPropertyListFormat format)
{
    CFErrorRef error = NULL;
    CFPropertyListFormat found = (CFPropertyListFormat)0;
    CFPropertyListRef back;
    CFDataRef data;
    int same;

    data = CFPropertyListCreateData(kCFAllocatorDefault, list, format, 0, &error);
    if (data == NULL) {
        CFShow(error);
        CFRelease(error);
        return 0;
    }
    back = CFPropertyListCreateWithData(kCFAllocatorDefault, data, kCFPropertyListMutableContainers, &found, &error);
    CFRelease(data);
    if (back == NULL) {
        CFShow(error);
        CFRelease(error);
        return 0;
    }
    same = CFEqual(list, back) && found == format && CFGetTypeID(back) == CFDictionaryGetTypeID();
    CFDictionarySetValue((CFMutableDictionaryRef)back, CFSTR("Enabled"), kCFBooleanFalse);
    same = same && !CFEqual(list, back);
    CFRelease(back);
    return same;
}

int main(void)
{
    CFPropertyListRef settings = createSettings(), copy;
    const char *junk = "<plist><dict><key>a</key>";
    CFStringRef problem = NULL, description;
    CFErrorRef error = NULL;
    CFDataRef xml, bad;
    CFSetRef set;
    char text[256];

    printf("xml: %s\n", roundTrip(settings, kCFPropertyListXMLFormat_v1_0) ? "same" : "different");
    printf("binary: %s\n", roundTrip(settings, kCFPropertyListBinaryFormat_v1_0) ? "same" : "different");

    xml = CFPropertyListCreateXMLData(kCFAllocatorDefault, settings);
    fwrite(CFDataGetBytePtr(xml), 1, CFDataGetLength(xml), stdout);
    copy = CFPropertyListCreateFromXMLData(kCFAllocatorDefault, xml, kCFPropertyListImmutable, &problem);
    printf("old names: %s\n", copy && !problem && CFEqual(copy, settings) ? "same" : "different");
    CFRelease(xml);
    CFRelease(copy);

    bad = CFDataCreateWithBytesNoCopy(NULL, (const UInt8 *)junk, strlen(junk), kCFAllocatorNull);
    if (CFPropertyListCreateWithData(NULL, bad, 0, NULL, &error) == NULL && error != NULL) {
        description = CFErrorCopyDescription(error);
        CFStringGetCString(description, text, sizeof(text), kCFStringEncodingUTF8);
        printf("%ld: %s\n", (long)CFErrorGetCode(error), text);
        CFRelease(description);
        CFRelease(error);
    }
    CFRelease(bad);

    set = CFSetCreate(NULL, NULL, 0, &kCFTypeSetCallBacks);
    printf("a set is %s\n", CFPropertyListIsValid(set, kCFPropertyListXMLFormat_v1_0) ? "a list" : "no list");
    CFRelease(set);
    CFRelease(settings);
    return 0;
}
