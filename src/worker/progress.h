/* progress.h: how far a shard is, in a line for people. Any thread. */
#ifndef WORKER_PROGRESS_H
#define WORKER_PROGRESS_H

#include "worker/pipeline.h"

/* Estimated seconds to the shard's end; -1 where nothing is known yet. */
double progress_seconds_left(const struct pipeline_progress *progress);

/* The line of a terminal: shard, stage counts, pairs, rate, time left. @out
 * gets at most @cap bytes with the NUL. */
void progress_line(char *out, size_t cap, const char *name,
		   const struct pipeline_progress *progress);

/* What the tracker shows: "Completed x / y images, z pairs kept". */
void progress_for_tracker(char *out, size_t cap,
			  const struct pipeline_progress *progress);

#endif
