/*
 * Copyright (C) The codeexec authors.
 *
 * The root that zygotes and jails share, read-only.  It is laid out by root
 * in a private mount namespace, before any untrusted process exists in it.
 *
 *   /            tmpfs                     ro nosuid nodev
 *   /usr         bind of the rootfs's      ro nosuid nodev
 *   /bin /lib …  as in the rootfs (symbolic links on merged-usr systems)
 *   /etc         generated, and a few binds   ro nosuid nodev noexec
 *   /opt/codeexec  the runtimes            ro nosuid nodev
 *   /opt/packages  versions of a set of packages, if there are any; those of
 *                  a later time appear in it   ro nosuid nodev
 *   /dev         tmpfs with five binds      ro nosuid noexec
 *   /proc        of the pen; each jail mounts its own over it
 *   /home        empty; each jail mounts its tmpfs here
 *   /tmp, /dev/shm  symbolic links into /home: one size limit covers all
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "builder.h"

/* The mount namespace is ours alone, so any directory will do that exists
 * everywhere and has nothing below it that is bound. */

#define STAGE        "/proc"

#define RO           (MS_RDONLY | MS_NOSUID | MS_NODEV)

static const struct {
	const char  *name;
	unsigned     major;
	unsigned     minor;
} nodes[] = {
	{ "null",    1, 3 },
	{ "zero",    1, 5 },
	{ "full",    1, 7 },
	{ "random",  1, 8 },
	{ "urandom", 1, 9 },
};

static const struct {
	const char  *link;
	const char  *target;
} links[] = {
	{ "tmp",           "home/tmp" },
	{ "dev/shm",       "../home/shm" },
	{ "dev/fd",        "/proc/self/fd" },
	{ "dev/stdin",     "/proc/self/fd/0" },
	{ "dev/stdout",    "/proc/self/fd/1" },
	{ "dev/stderr",    "/proc/self/fd/2" },
	{ "etc/localtime", "/usr/share/zoneinfo/Etc/UTC" },
};

/*
 * An empty list of authorities: without one, HTTPS of Python's requests fails
 * over the missing file before it finds that there is no network.
 */

static const struct {
	const char  *path;
	const char  *text;
} files[] = {
	{ "etc/passwd",
	  "root:x:0:0:root:/:/usr/sbin/nologin\n"
	  "user:x:1000:1000:user:/home/user:/bin/sh\n"
	  "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n" },
	{ "etc/group", "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n" },
	{ "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n" },
	{ "etc/hostname", "sandbox\n" },
	{ "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n" },
	{ "etc/resolv.conf", "" },
	{ "etc/ssl/certs/ca-certificates.crt", "" },
};

/* What programs of the rootfs need from its /etc; absent ones are skipped. */

static const char *const etc_dirs[] = {
	"etc/alternatives", "etc/fonts", NULL
};

static const char *const etc_files[] = {
	"etc/ld.so.cache", "etc/matplotlibrc", "etc/mime.types",
	"etc/os-release", NULL
};

static const char *const usr_aliases[] = {
	"bin", "sbin", "lib", "lib32", "lib64", "libx32", NULL
};


static void
make_dir(const char *path)
{
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		die("mkdir %s", path);
	}
}


static void
write_file(const char *path, const char *text, size_t size)
{
	int  fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0644);

	if (fd < 0 || write(fd, text, size) != (ssize_t) size) {
		die("write %s", path);
	}

	(void) close(fd);
}


static void
copy_file(const char *rootfs, const char *path)
{
	int      in, out;
	char     source[PATH_MAX], buffer[65536];
	ssize_t  n;

	(void) snprintf(source, sizeof(source), "%s/%s", rootfs, path);

	in = open(source, O_RDONLY | O_CLOEXEC);
	if (in < 0) {
		if (errno == ENOENT) {
			return;
		}

		die("open %s", source);
	}

	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0) {
		die("create %s", path);
	}

	while ((n = read(in, buffer, sizeof(buffer))) > 0) {
		if (write(out, buffer, (size_t) n) != n) {
			die("write %s", path);
		}
	}

	if (n < 0) {
		die("read %s", source);
	}

	(void) close(in);
	(void) close(out);
}


/* A bind mount takes its flags only from a second call. */

static void
bind_ro(const char *source, const char *target, unsigned long flags)
{
	make_dir(target);

	if (mount(source, target, NULL, MS_BIND, NULL) != 0) {
		die("bind %s", source);
	}

	if (mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL) != 0)
	{
		die("remount %s", source);
	}
}


static void
bind_rootfs(const char *rootfs, const char *path, unsigned long flags)
{
	char         source[PATH_MAX], target[PATH_MAX];
	ssize_t      n;
	struct stat  st;

	(void) snprintf(source, sizeof(source), "%s/%s", rootfs, path);

	if (lstat(source, &st) != 0) {
		if (errno == ENOENT) {
			return;
		}

		die("lstat %s", source);
	}

	if (S_ISLNK(st.st_mode)) {
		n = readlink(source, target, sizeof(target) - 1);
		if (n < 0) {
			die("readlink %s", source);
		}

		target[n] = '\0';

		if (symlink(target, path) != 0) {
			die("symlink %s", path);
		}

		return;
	}

	if (S_ISDIR(st.st_mode)) {
		bind_ro(source, path, flags);
	}
}


/*
 * A node of our own would need CAP_MKNOD in the host's user namespace, which a
 * container may be without and an ordinary user always is; so those of /dev
 * are bound, after a look at what they are.
 */

static void
bind_node(const char *name, dev_t device)
{
	int          fd;
	char         source[32], target[32];
	struct stat  st;

	(void) snprintf(source, sizeof(source), "/dev/%s", name);
	(void) snprintf(target, sizeof(target), "dev/%s", name);

	fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0) {
		die("create %s", target);
	}

	(void) close(fd);

	if (mount(source, target, NULL, MS_BIND, NULL) != 0
	    || stat(target, &st) != 0)
	{
		die("bind %s", source);
	}

	if (!S_ISCHR(st.st_mode) || st.st_rdev != device) {
		errno = ENODEV;
		die("%s", source);
	}

	if (mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY
	          | MS_NOSUID | MS_NOEXEC, NULL) != 0)
	{
		die("remount %s", source);
	}
}


static void
lay_out_dev(void)
{
	size_t  i;

	make_dir("dev");

	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC,
	          "mode=0755,size=64k,nr_inodes=32") != 0)
	{
		die("mount /dev");
	}

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		bind_node(nodes[i].name,
		    makedev(nodes[i].major, nodes[i].minor));
	}
}


static void
lay_out_etc(const char *rootfs)
{
	size_t  i;

	make_dir("etc");
	make_dir("etc/ssl");
	make_dir("etc/ssl/certs");

	for (i = 0; etc_dirs[i] != NULL; i++) {
		bind_rootfs(rootfs, etc_dirs[i], RO | MS_NOEXEC);
	}

	for (i = 0; etc_files[i] != NULL; i++) {
		copy_file(rootfs, etc_files[i]);
	}

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		write_file(files[i].path, files[i].text, strlen(files[i].text));
	}
}


static void
lay_out(const struct builder *b)
{
	size_t  i;

	bind_rootfs(b->rootfs, "usr", RO);

	for (i = 0; usr_aliases[i] != NULL; i++) {
		bind_rootfs(b->rootfs, usr_aliases[i], RO);
	}

	make_dir("opt");
	bind_ro(b->library, "opt/codeexec", RO);

	if (b->packages != NULL) {
		bind_ro(b->packages, "opt/packages", RO);
	}

	lay_out_etc(b->rootfs);
	lay_out_dev();

	make_dir("home");
	make_dir("proc");

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlink(links[i].target, links[i].link) != 0) {
			die("symlink %s", links[i].link);
		}
	}

	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	          NULL) != 0)
	{
		die("mount /proc");
	}

	if (mount(NULL, "dev", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY
	          | MS_NOSUID | MS_NOEXEC, NULL) != 0
	    || mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | RO, NULL) != 0)
	{
		die("remount read-only");
	}
}


void
template_build(const struct builder *b)
{
	(void) umask(0022);

	if (unshare(CLONE_NEWNS) != 0
	    || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
	{
		die("private mount namespace");
	}

	if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV,
	          "mode=0755,size=4m,nr_inodes=256") != 0
	    || chdir(STAGE) != 0)
	{
		die("mount root");
	}

	lay_out(b);

	/* The old root is stacked under the new one and then let go. */

	if (syscall(SYS_pivot_root, ".", ".") != 0
	    || umount2(".", MNT_DETACH) != 0
	    || chdir("/") != 0)
	{
		die("pivot_root");
	}
}
