/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that a scenario runs; what they say is not shown. */
#ifndef TESTS_FAULTS_COMMAND_H
#define TESTS_FAULTS_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * `tested`: with the shim; else faults are not its affair. ret_output, which may be NULL: the end
 * to read what it says.
 */
pid_t command_start(const char *const arguments[], bool tested, int *ret_output);
/* Its exit status. Anything but an exit fails the run. */
int command_end(pid_t pid);

#endif
