/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is given so that it can make USB providers: driver/host.h. */
#ifndef USB_PROVIDER_H
#define USB_PROVIDER_H

#include "host.h"

/* Exported for dext-host, which runs on the same copy of the library as the driver. */
__attribute__((visibility("default"))) extern const struct host_provider usb_host_provider;

#endif
