/*
 * Copyright (C) The codeexec authors.
 *
 * Sockets that nginx connects to, and who may.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "codeexecd.h"
#include "rootless.h"
#include "systemd.h"

#define ACCEPT_TURN  64    /* connections taken in one turn */
#define BACKLOG      4096

struct listener {
	int           fd;
	struct event  readable;
	struct event  resume;
	const char   *path;              /* to be removed at the end, or NULL */
	bool          local;             /* the kernel tells who connects */
};

static struct listener  listeners[LISTENERS_MAX];
static unsigned         n_listeners;
static uid_t            peers[NAMES_MAX];


static bool
is_peer(int fd)
{
	uid_t         uid;
	unsigned      i;
	socklen_t     size;
	struct ucred  peer;

	size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
		return false;
	}

	uid = rootless_outside(peer.uid);

	for (i = 0; uid != (uid_t) -1 && i < config.peers.count; i++) {
		if (peers[i] == uid) {
			return true;
		}
	}

	if (uid == (uid_t) -1) {
		log_warn("refused a connection from another user");
	} else {
		log_warn("refused a connection from uid %u", (unsigned) uid);
	}

	return false;
}


static void
listener_resume(evutil_socket_t fd, short what, void *data)
{
	struct listener  *l = data;

	(void) fd;
	(void) what;

	(void) event_add(&l->readable, NULL);
}


/* Out of descriptors or memory: asking again at once would only spin. */

static void
listener_pause(struct listener *l)
{
	struct timeval  tv = { 0, 100000 };

	(void) event_del(&l->readable);
	(void) evtimer_add(&l->resume, &tv);
}


static void
listener_readable(evutil_socket_t fd, short what, void *data)
{
	int               i, s, one = 1;
	struct listener  *l = data;

	(void) what;

	for (i = 0; i < ACCEPT_TURN; i++) {

		/* Descriptors are for the runs first. */

		if (counters.clients >= CLIENTS_MAX) {
			log_warn("%d connections are open", CLIENTS_MAX);
			listener_pause(l);
			return;
		}

		s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (s < 0) {
			if (errno != EAGAIN && errno != ECONNABORTED) {
				log_warn("accept4: %s", strerror(errno));
				listener_pause(l);
			}

			return;
		}

		if (!l->local) {
			(void) setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one,
			    sizeof(one));

		} else if (!is_peer(s)) {
			(void) close(s);
			continue;
		}

		client_new(s);
	}
}


static void
find_peers(void)
{
	unsigned        i;
	struct passwd  *pw;

	for (i = 0; i < config.peers.count; i++) {
		pw = getpwnam(config.peers.name[i]);

		if (pw == NULL) {
			fatal("no user \"%s\" for \"peers\"",
			    config.peers.name[i]);
		}

		peers[i] = pw->pw_uid;
	}
}


/* A socket nobody listens on is left from a crash; a live one is not ours. */

static void
remove_stale(const struct sockaddr_un *sun)
{
	int          fd, rc;
	struct stat  st;

	if (lstat(sun->sun_path, &st) != 0) {
		return;
	}

	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		fatal("\"%s\" is no socket", sun->sun_path);
	}

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = connect(fd, (const struct sockaddr *) sun, sizeof(*sun));

	if (rc == 0) {
		errno = EADDRINUSE;
		fatal("\"%s\"", sun->sun_path);
	}

	(void) close(fd);
	(void) unlink(sun->sun_path);
}


static int
listen_unix(const char *path)
{
	int                 fd;
	mode_t              mask, mode;
	struct group       *gr;
	struct sockaddr_un  sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		fatal("\"%s\"", path);
	}

	(void) strcpy(sun.sun_path, path);

	gr = getgrnam(config.listen_group);
	if (gr == NULL) {
		fatal("no group \"%s\" for \"listen_group\"",
		    config.listen_group);
	}

	mode = (mode_t) strtoul(config.listen_mode, NULL, 8);

	remove_stale(&sun);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* Closed to everybody until owner and mode are right. */

	mask = umask(0777);

	if (fd < 0 || bind(fd, (struct sockaddr *) &sun, sizeof(sun)) != 0) {
		fatal("bind(\"%s\")", path);
	}

	(void) umask(mask);

	if (chown(path, (uid_t) -1, gr->gr_gid) != 0
	    || chmod(path, mode & 0777) != 0)
	{
		fatal("chown(\"%s\")", path);
	}

	return fd;
}


static void
warn_of_tcp(const char *address)
{
	log_warn("anybody who can reach %s can run code: there is no "
	    "authentication on TCP", address);
}


static int
listen_tcp(const char *address)
{
	int                      fd, size, one = 1;
	struct sockaddr_storage  sa;

	size = sizeof(sa);

	if (evutil_parse_sockaddr_port(address, (struct sockaddr *) &sa, &size)
	    != 0)
	{
		errno = EINVAL;
		fatal("\"%s\" in \"listen\"", address);
	}

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);

	if (fd < 0
	    || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0
	    || bind(fd, (struct sockaddr *) &sa, (socklen_t) size) != 0)
	{
		fatal("bind(\"%s\")", address);
	}

	warn_of_tcp(address);

	return fd;
}


static void
open_listener(struct listener *l, const char *name)
{
	if (strncmp(name, "unix:", 5) == 0) {
		l->path = name + 5;
		l->fd = listen_unix(l->path);
		l->local = true;

	} else {
		l->fd = listen_tcp(name);
	}

	if (listen(l->fd, BACKLOG) != 0) {
		fatal("listen(\"%s\")", name);
	}
}


/* A socket that listens already; its path, mode and group are not ours. */

static void
adopt_listener(struct listener *l, int fd)
{
	int        domain, type, listening;
	socklen_t  size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0
	    || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0
	    || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size)
	        != 0)
	{
		fatal("descriptor %d of LISTEN_FDS", fd);
	}

	if (type != SOCK_STREAM || listening == 0
	    || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
	{
		errno = EINVAL;
		fatal("descriptor %d of LISTEN_FDS is no listening stream "
		    "socket", fd);
	}

	l->fd = fd;
	l->local = domain == AF_UNIX;

	if (!l->local) {
		warn_of_tcp("the socket passed on to codeexecd");
	}
}


void
clients_listen(int inherited)
{
	unsigned          i;
	struct listener  *l;

	find_peers();

	n_listeners = inherited > 0 ? (unsigned) inherited
	    : config.listen.count;

	for (i = 0; i < n_listeners; i++) {
		l = &listeners[i];

		if (inherited > 0) {
			adopt_listener(l, SYSTEMD_FDS + (int) i);
		} else {
			open_listener(l, config.listen.name[i]);
		}

		(void) event_assign(&l->readable, loop, l->fd,
		    EV_READ | EV_PERSIST, listener_readable, l);
		(void) evtimer_assign(&l->resume, loop, listener_resume, l);
		(void) event_add(&l->readable, NULL);
	}
}


void
clients_refuse(void)
{
	unsigned  i;

	for (i = 0; i < n_listeners; i++) {
		(void) event_del(&listeners[i].readable);
		(void) evtimer_del(&listeners[i].resume);
		close_fd(&listeners[i].fd);

		if (listeners[i].path != NULL) {
			(void) unlink(listeners[i].path);
		}
	}
}
