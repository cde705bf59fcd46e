/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables: read here and nowhere else. Results are borrowed from the environment. */
#ifndef BASE_ENVIRONMENT_H
#define BASE_ENVIRONMENT_H

/* OPENDEXT_RUNTIME_DIR, or NULL. */
const char *environment_runtime_dir(void);
/* XDG_RUNTIME_DIR, or NULL. */
const char *environment_user_runtime_dir(void);
/* OPENDEXT_LOG, or NULL. */
const char *environment_log(void);
/* OPENDEXT_SPIN, or NULL. */
const char *environment_spin(void);
/* TMPDIR, or NULL. */
const char *environment_temporary_dir(void);
/* OPENDEXT_TEST_SHUFFLE and OPENDEXT_TEST_TIMEOUT, <OpenDext/TestKit.h>; or NULL. */
const char *environment_test_shuffle(void);
const char *environment_test_timeout(void);
/* NOTIFY_SOCKET, by which a service tells systemd how it stands; or NULL. */
const char *environment_notify_socket(void);

/*
 * The descriptors that systemd hands to a service, as sd_listen_fds(3) has it: `count` of them from
 * 3 on, and their names with a colon between each two. 0: none, or they are not for this process.
 */
#define ENVIRONMENT_FIRST_FD 3
#define ENVIRONMENT_FDS_MAX  65536
unsigned environment_descriptors(const char **ret_names);

#endif
