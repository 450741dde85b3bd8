/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "spawn.h"

union control {
	struct cmsghdr  header;
	char            room[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))];
};


int
spawn_send(int sock, const void *msg, size_t size, const int *fds,
    unsigned nfds)
{
	ssize_t          n;
	union control    control;
	struct iovec     iov = { (void *) (uintptr_t) msg, size };
	struct msghdr    mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr  *cmsg;

	if (nfds > SPAWN_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}

	if (nfds != 0) {
		memset(&control, 0, sizeof(control));

		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));

		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}

	do {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -1 : 0;
}


static unsigned
take_fds(struct msghdr *mh, int *fds, unsigned room)
{
	unsigned         n, i, got;
	int              received[SPAWN_FDS_MAX];
	struct cmsghdr  *cmsg;

	got = 0;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET
		    || cmsg->cmsg_type != SCM_RIGHTS) {
			continue;
		}

		n = (unsigned) ((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(received, CMSG_DATA(cmsg), n * sizeof(int));

		for (i = 0; i < n; i++) {
			if (got < room) {
				fds[got] = received[i];
			} else {
				(void) close(received[i]);
			}

			got++;
		}
	}

	return got;
}


ssize_t
spawn_recv(int sock, void *msg, size_t size, int *fds, unsigned *nfds,
    int flags)
{
	ssize_t        n;
	unsigned       room, got;
	union control  control;
	struct iovec   iov = { msg, size };
	struct msghdr  mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)
	};

	room = *nfds;
	*nfds = 0;

	do {
		n = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);

	if (n <= 0) {
		return n;
	}

	got = take_fds(&mh, fds, room);

	if ((size_t) n != size || got > room
	    || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {

		while (got-- > 0) {
			if (got < room) {
				(void) close(fds[got]);
			}
		}

		errno = EBADMSG;
		return -1;
	}

	*nfds = got;
	return n;
}


void
spawn_reply_init(struct spawn_reply *r, uint32_t slot, uint32_t serial,
    const char *step)
{
	int  error = errno;

	memset(r, 0, sizeof(*r));

	r->slot = slot;
	r->serial = serial;

	if (step != NULL) {
		r->error = error != 0 ? error : EIO;
		(void) snprintf(r->step, sizeof(r->step), "%s", step);
	}
}
