/* item.h: a candidate on its way through the stages. It belongs to the stage
 * that holds it; whoever ends it says with which fate (stage.h). */
#ifndef WORKER_ITEM_H
#define WORKER_ITEM_H

#include "fetch/fetch.h"
#include "image/image.h"
#include "wat/scan.h"

struct item {
	struct fetch_job fetch; /* borrows url; owns the body from then on */
	int64_t sample_id;
	const char *url; /* these live behind the struct */
	struct slice text;
	struct slice page_url;
	struct slice licence;
	struct slice language;
	unsigned char key[SCAN_KEY_LEN];
	char md5[33];
	bool has_body; /* fetch.body is initialised */
	/* from the image stage on */
	enum image_format format;
	int width; /* of the original, pixels */
	int height;
	uint8_t *pixels; /* crop_height * crop_width * 3 bytes; owned */
	/* from the clip stage on */
	float *embeddings; /* the image's, then the text's; owned */
	double similarity;
};

/* A copy of @candidate; NULL when out of memory. */
CAH_MUST_CHECK struct item *item_new(const struct candidate *candidate,
				     int64_t sample_id);

/* Frees all but the body: stage_drop_body. NULL is fine. */
void item_free(struct item *item);

/* The item that @job is part of. */
static inline struct item *item_of(struct fetch_job *job)
{
	return (struct item *)((char *)job - offsetof(struct item, fetch));
}

#endif
