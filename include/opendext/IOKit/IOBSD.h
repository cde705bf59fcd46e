/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of what has a device file on macOS. Nothing here has: they are found nowhere. */
#ifndef OPENDEXT_IOKIT_IOBSD_H
#define OPENDEXT_IOKIT_IOBSD_H

#define kIOBSDNameKey  "BSD Name"
#define kIOBSDNamesKey "BSD Names"
#define kIOBSDMajorKey "BSD Major"
#define kIOBSDMinorKey "BSD Minor"
#define kIOBSDUnitKey  "BSD Unit"

#endif
