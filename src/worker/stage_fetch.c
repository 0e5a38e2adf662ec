/* The second stage is the loop of src/fetch; it closes the next door itself. */
#include "worker/stage.h"

int stage_fetch(struct pipeline *p, struct cah_error *err)
{
	return fetch_run(p->fetch, p->doors[STAGE_fetch], p->doors[STAGE_image],
			 p->stop, err);
}
