/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext-host: the process of one driver instance. The registry starts it with the control socket as
 * a descriptor; it is not meant to be started by hand. It is linked to the same libdriverkit that
 * the driver's shared object is, so that there is one copy of every class.
 */
#include "any_provider.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	char *end = NULL;
	long control;

	if (argc != 3 || strcmp(argv[1], "--control") != 0) {
		fprintf(stderr,
			"dext-host: this program is started by the registry (dext run), with "
			"--control FD\n");
		return 2;
	}
	errno = 0;
	control = strtol(argv[2], &end, 10);
	if (errno != 0 || *end != '\0' || control < 0 ||
	    fcntl((int)control, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "dext-host: --control %s: an open descriptor was expected\n",
			argv[2]);
		return 2;
	}
	return host_run_take((int)control, &any_host_provider);
}
