/*
 * Copyright (C) The codeexec authors.
 *
 * The job as it arrives in a run: its texts, and the files it brings along.
 * The same in every runtime.
 */

#ifndef CODEEXEC_INBOX_H
#define CODEEXEC_INBOX_H

#include "spawn.h"

struct inbox {
	const char  *text[TEXTS];   /* job.size[i] bytes each; not terminated */
	void        *memory;
	size_t       size;
};

/*
 * Maps the texts behind fd, which lockdown_wait() has returned, closes it, and
 * places the files in the working directory.  What can't be placed is told on
 * stderr, and the process exits: no code has run.
 */
void inbox_open(struct inbox *inbox, int fd, const struct spawn_job *job);

void inbox_close(struct inbox *inbox);

#endif /* CODEEXEC_INBOX_H */
