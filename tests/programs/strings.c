/* SPDX-License-Identifier: Apache-2.0 */
/* Strings as tools for devices handle them: descriptors in UTF-16, wide characters, paths, numbers, tables. */
#include <CoreFoundation/CoreFoundation.h>

#include <stdio.h>
#include <string.h>
#include <wchar.h>

static void print(const char *what, CFStringRef string)
{
    CFRange range;
    CFIndex used = 0;
    char *buffer;

    if (string == NULL) {
        printf("%s: (null)\n", what);
        return;
    }
    range = CFRangeMake(0, CFStringGetLength(string));
    CFStringGetBytes(string, range, kCFStringEncodingUTF8, '?', false, NULL, 0, &used);
    buffer = (char *)calloc(1, used + 1);
    CFStringGetBytes(string, range, kCFStringEncodingUTF8, '?', false, (UInt8 *)buffer, used, &used);
    printf("%s: %s\n", what, buffer);
    free(buffer);
}

/* what a HID library does for its callers */
static int getWide(CFStringRef str, wchar_t *buf, size_t len)
{
    CFIndex used_buf_len = 0, chars_copied;
    CFRange range;

    range.location = 0;
    range.length = ((size_t)CFStringGetLength(str) > len) ? (CFIndex)len : CFStringGetLength(str);
    chars_copied = CFStringGetBytes(str, range, kCFStringEncodingUTF32LE, (char)'?', FALSE, (UInt8 *)buf,
                                    len * sizeof(wchar_t), &used_buf_len);
    buf[chars_copied < (CFIndex)len ? chars_copied : (CFIndex)len - 1] = 0;
    return (int)(used_buf_len / (CFIndex)sizeof(wchar_t));
}

int main(void)
{
    static const UInt8 descriptor[] = { 14, 3, 'F', 0, 'T', 0, '2', 0, '3', 0, '2', 0, 0xae, 0 };
    static const UniChar unit[] = { 'O', 'h', 'm', ' ', 0x2126 };
    CFMutableStringRef path, table;
    CFStringRef string, part;
    CFArrayRef parts;
    CFStringInlineBuffer inlineBuffer;
    UInt8 big[8];
    CFIndex used = 0, i;
    wchar_t wide[16];
    char small[4], mac[16];
    UniChar characters[8];
    int hex = 0, count;

    /* a string descriptor */
    string = CFStringCreateWithBytes(NULL, descriptor + 2, descriptor[0] - 2, kCFStringEncodingUTF16LE, false);
    print("descriptor", string);
    count = getWide(string, wide, 16);
    printf("length %ld, wide %d %s\n", (long)CFStringGetLength(string), count,
           wcscmp(wide, L"FT232\u00ae") == 0 ? "as expected" : "otherwise");
    printf("small: %s\n", CFStringGetCString(string, small, sizeof(small), kCFStringEncodingUTF8) ? "fits" : "too small");
    printf("ascii: %s\n", CFStringGetCString(string, mac, sizeof(mac), kCFStringEncodingASCII) ? "yes" : "no");
    if (CFStringGetCString(string, mac, sizeof(mac), kCFStringEncodingMacRoman))
        printf("mac roman: %02x\n", (unsigned)(UInt8)mac[5]);
    CFStringGetBytes(string, CFRangeMake(5, 1), kCFStringEncodingUTF16BE, 0, false, big, sizeof(big), &used);
    printf("big endian: %ld bytes %02x%02x\n", (long)used, big[0], big[1]);
    CFRelease(string);

    string = CFStringCreateWithCharacters(kCFAllocatorDefault, unit, 5);
    CFStringGetCharacters(string, CFRangeMake(0, 5), characters);
    printf("characters: %s, last U+%04X\n", memcmp(unit, characters, sizeof(unit)) == 0 ? "same" : "other",
           CFStringGetCharacterAtIndex(string, 4));
    CFRelease(string);

    /* a path */
    path = CFStringCreateMutable(kCFAllocatorDefault, 0);
    CFStringAppend(path, CFSTR("/dev/"));
    CFStringAppendFormat(path, NULL, CFSTR("cu.%@-%02X"), CFSTR("usbserial"), 0xa);
    print("path", path);
    printf("prefix %d, suffix %d, found at %ld\n", CFStringHasPrefix(path, CFSTR("/dev/")),
           CFStringHasSuffix(path, CFSTR("0A")), (long)CFStringFind(path, CFSTR("USB"), kCFCompareCaseInsensitive).location);
    CFStringFindAndReplace(path, CFSTR("cu."), CFSTR("tty."), CFRangeMake(0, CFStringGetLength(path)), 0);
    print("replaced", path);
    part = CFStringCreateWithSubstring(NULL, path, CFRangeMake(5, 3));
    print("part", part);
    CFRelease(part);
    CFRelease(path);

    /* a list of numbers, with blanks around */
    parts = CFStringCreateArrayBySeparatingStrings(NULL, CFSTR(" 0403, 6001 ,10c4 "), CFSTR(","));
    table = CFStringCreateMutable(NULL, 32);
    for (i = 0; i < CFArrayGetCount(parts); i++) {
        CFMutableStringRef item = CFStringCreateMutableCopy(NULL, 0, (CFStringRef)CFArrayGetValueAtIndex(parts, i));

        CFStringTrimWhitespace(item);
        CFStringUppercase(item, NULL);
        CFStringPad(item, CFSTR("."), 6, 0);
        CFStringAppend(table, item);
        CFRelease(item);
    }
    print("table", table);
    CFRelease(table);
    CFRelease(parts);

    string = CFSTR("0x1fF");
    CFStringInitInlineBuffer(string, &inlineBuffer, CFRangeMake(2, 3));
    for (i = 0; i < 3; i++) {
        UniChar c = CFStringGetCharacterFromInlineBuffer(&inlineBuffer, i);

        hex = hex * 16 + (c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    printf("hex %d, int %d, double %.2f\n", hex, (int)CFStringGetIntValue(CFSTR("42 Hz")),
           CFStringGetDoubleValue(CFSTR("3.25")));
    printf("compare %ld %ld %ld\n", (long)CFStringCompare(CFSTR("disk9"), CFSTR("disk10"), 0),
           (long)CFStringCompare(CFSTR("disk9"), CFSTR("disk10"), kCFCompareNumerically),
           (long)CFStringCompare(CFSTR("ABC"), CFSTR("abc"), kCFCompareCaseInsensitive));
    printf("maximum %ld %ld %ld\n", (long)CFStringGetMaximumSizeForEncoding(10, kCFStringEncodingASCII),
           (long)CFStringGetMaximumSizeForEncoding(10, kCFStringEncodingUTF8),
           (long)CFStringGetMaximumSizeForEncoding(10, kCFStringEncodingUnicode));
    return 0;
}
