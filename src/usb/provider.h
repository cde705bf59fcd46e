/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is given so that it can make USB providers: driver/host.h. */
#ifndef USB_PROVIDER_H
#define USB_PROVIDER_H

#include "host.h"

extern const struct host_provider usb_host_provider;

struct usb_backend;

/* From now on "virtual" devices are this backend's; NULL: the models'. While no host runs. */
void usb_provider_set_virtual(const struct usb_backend *backend);

#endif
