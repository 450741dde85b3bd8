/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"

#if defined(SYS_landlock_create_ruleset) && __has_include(<linux/landlock.h>)

#include <linux/landlock.h>

/* Headers may be older than the kernel that it runs on. */

#define FS_TRUNCATE         (1u << 14)   /* ABI 3 */
#define NET_TCP             3u           /* ABI 4: bind and connect */
#define SCOPES              3u           /* ABI 6: abstract sockets, signals */
#define RESTRICT_NO_LOG     1u           /* ABI 7 */

#define FS_WRITE                                                              \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR            \
     | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR          \
     | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG              \
     | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO            \
     | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM            \
     | LANDLOCK_ACCESS_FS_REFER)

struct ruleset {
	uint64_t  fs;
	uint64_t  net;
	uint64_t  scoped;
};


int
landlock_abi(void)
{
	return (int) syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
}


static int
allow_below(int ruleset, const char *path, uint64_t access)
{
	int                               rc;
	struct landlock_path_beneath_attr  rule = { .allowed_access = access };

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0) {
		return -1;
	}

	rc = (int) syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);

	(void) close(rule.parent_fd);

	return rc;
}


int
landlock_confine(int abi)
{
	int             fd, rc;
	size_t          size;
	struct ruleset  r = { .fs = FS_WRITE };

	if (abi < LANDLOCK_ABI_MIN) {
		return 0;
	}

	/* The kernel takes no more of it than it knows, unless it is zero. */

	r.fs |= abi >= 3 ? FS_TRUNCATE : 0;
	r.net = abi >= 4 ? NET_TCP : 0;
	r.scoped = abi >= 6 ? SCOPES : 0;
	size = abi >= 6 ? sizeof(r)
	    : abi >= 4 ? offsetof(struct ruleset, scoped)
	    : offsetof(struct ruleset, net);

	fd = (int) syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0) {
		return -1;
	}

	/* Programs write to /dev/null; there are five nodes and no more. */

	rc = allow_below(fd, "/home", r.fs) == 0
	    && allow_below(fd, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE
	                   | (r.fs & FS_TRUNCATE)) == 0
	    && syscall(SYS_landlock_restrict_self, fd,
	               abi >= 7 ? RESTRICT_NO_LOG : 0) == 0 ? 0 : -1;

	(void) close(fd);

	return rc;
}

#else

int
landlock_abi(void)
{
	errno = ENOSYS;
	return -1;
}


int
landlock_confine(int abi)
{
	(void) abi;

	return 0;
}

#endif
