/* SPDX-License-Identifier: Apache-2.0 */
/* What dextd takes where its command line says nothing, and dext doctor looks at. */
#ifndef CMD_DEFAULTS_H
#define CMD_DEFAULTS_H

/*
 * Debian keeps 65000 to 65533 for nobody in particular, and systemd gives ids of DynamicUser= only
 * after a look at who has them. An id that a user has is passed over.
 */
#define HOST_FIRST_UID 65000u
#define HOST_LAST_UID  65255u

#define BUNDLE_FOLDERS \
	"/usr/lib/opendext/bundles", "/etc/opendext/bundles", "/usr/local/lib/opendext/bundles"

#endif
