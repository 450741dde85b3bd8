/*
 * Copyright (C) The codeexec authors.
 *
 * What a service manager such as systemd passes on to a daemon, in two
 * environment variables: listening sockets, and a socket to say that it is
 * ready.  Without the variables nothing happens here.
 */

#ifndef CODEEXEC_SYSTEMD_H
#define CODEEXEC_SYSTEMD_H

/* The first of the sockets passed on; the others follow it. */
#define SYSTEMD_FDS  3

/*
 * How many sockets were passed on to this process (LISTEN_PID, LISTEN_FDS);
 * they are inherited by nobody from now on.  0, or -1 with errno set if the
 * variables or the descriptors make no sense.
 */
int  systemd_sockets(void);

/* Tells the service manager (NOTIFY_SOCKET), as in "READY=1". */
void systemd_notify(const char *state);

#endif /* CODEEXEC_SYSTEMD_H */
