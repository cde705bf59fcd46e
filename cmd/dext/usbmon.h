/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture file as the kernel's usbmon would have written it: pcap with nanoseconds, link type
 * LINKTYPE_USB_LINUX_MMAPPED. For tshark, Wireshark and what else reads it.
 */
#ifndef DEXT_USBMON_H
#define DEXT_USBMON_H

#include <stdio.h>

#include "recordings.h"

#define USBMON_HEADER 64u /* bytes before those of the transfer */

/* The file's own header. */
void usbmon_begin(FILE *to);
/*
 * A beginning or an end of a transfer, which is the recording's event. False: it was something
 * else, and nothing was written.
 */
bool usbmon_write(FILE *to, const struct recording *recording);

#endif
