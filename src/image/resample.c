/* Separable resampling in whole numbers, equal to Pillow's within rounding:
 * down first, then across, each pass rounded to 8 bits. (Pillow goes across
 * first where that is less work, which it seldom is when shrinking; what it
 * rounds then differs by a quarter of a level in the mean.) A row of the result
 * is finished before the next is begun, so that what is between the passes
 * stays in the cache. */
#include "image/resample.h"

#include "image/loops.h"

#include <stdlib.h>

/* All of the rows' bytes of which anything is made: `len` from `skip` on. */
struct span {
	size_t skip;
	size_t len;
};

static struct span span_of(const struct taps *across, int count, int channels)
{
	size_t depth = (size_t)channels;
	int end = across->start[count - 1] + across->len[count - 1];
	size_t skip = (size_t)across->start[0] * depth;
	return (struct span){skip, (size_t)end * depth - skip};
}

/* The weights of both sides, and a row between the passes. */
struct job {
	struct loops loops;
	struct taps across;
	struct taps down;
	struct span span; /* of the source's rows */
	int count;        /* pixels of a row of the result */
	uint8_t *row;
};

static int prepare(struct job *job, const struct side *x, const struct side *y,
		   int channels, enum image_filter filter)
{
	if (taps_init(&job->across, x, filter) != CAH_OK ||
	    taps_init(&job->down, y, filter) != CAH_OK)
		return CAH_ENOMEM;
	job->span = span_of(&job->across, x->count, channels);
	job->row = calloc(1, job->span.len + LOOPS_SLACK);
	return job->row != NULL ? CAH_OK : CAH_ENOMEM;
}

static void make_row(uint8_t *out, const struct job *job, int i,
		     const struct pixels *from, size_t from_stride)
{
	const struct taps *down = &job->down;
	const struct mix mix = {down->weight + (size_t)i * (size_t)down->most,
				down->len[i], down->shift};
	const uint8_t *rows = from->data +
			      (size_t)down->start[i] * from_stride +
			      job->span.skip;
	job->loops.down(job->row, rows, from_stride, job->span.len, &mix);
	if (from->channels == 3)
		job->loops.across(out, job->row, &job->across, job->count);
	else
		job->loops.across_grey(out, job->row, &job->across, job->count);
}

int resample(uint8_t *out, size_t stride, const struct pixels *from,
	     const struct side *x, const struct side *y,
	     enum image_filter filter)
{
	struct job job = {.loops = loops_choose(), .count = x->count};
	size_t from_stride = (size_t)x->in * (size_t)from->channels;
	int rc = prepare(&job, x, y, from->channels, filter);
	for (int i = 0; i < y->count && rc == CAH_OK; i++)
		make_row(out + (size_t)i * stride, &job, i, from, from_stride);
	taps_fini(&job.across);
	taps_fini(&job.down);
	free(job.row);
	return rc;
}

/* The middle @crop of @out pixels. */
static void plan_crop(struct side *side, int64_t out, int crop)
{
	/* Floor, for a crop that is larger than the picture too: the odd pixel
	 * of the margin comes first then. */
	int64_t gap = out - crop;
	int64_t first = gap >= 0 ? gap / 2 : -((1 - gap) / 2);
	side->out = out;
	side->first = first > 0 ? first : 0;
	side->at = first < 0 ? (int)-first : 0;
	side->count = out < crop ? (int)out : crop;
}

static void plan_source(struct side *x, struct side *y,
			const struct image *image)
{
	struct image_box box = image->box;
	if (box.right <= box.left || box.bottom <= box.top)
		box = (struct image_box){0, 0, image->width, image->height};
	*x = (struct side){image->width, box.left, box.right, 0, 0, 0, 0};
	*y = (struct side){image->height, box.top, box.bottom, 0, 0, 0, 0};
}

/* @edge is for the shorter one; the other's is cut to whole pixels. */
static void plan(struct side *x, struct side *y, const struct image *image,
		 const struct image_fit *fit)
{
	plan_source(x, y, image);
	struct image_box box = {x->from, y->from, x->to, y->to};
	double width = box.right - box.left;
	double height = box.bottom - box.top;
	double shortest = width < height ? width : height;
	/* The edges are whole but for a power of two, so that the quotient is
	 * exact where it is whole. */
	plan_crop(x, (int64_t)(fit->shortest_edge * width / shortest),
		  fit->width);
	plan_crop(y, (int64_t)(fit->shortest_edge * height / shortest),
		  fit->height);
}

/* The source pixels below the middles of the wanted ones. Pillow adds up where
 * others multiply; so do we, for the last bit decides about whole pixels. */
static int *find_nearest(const struct side *side)
{
	int *nearest = calloc((size_t)side->count, sizeof(*nearest));
	if (nearest == NULL)
		return NULL;
	double scale = (side->to - side->from) / (double)side->out;
	double at = side->from + scale * 0.5;
	for (int64_t i = 0; i < side->first; i++)
		at += scale;
	for (int i = 0; i < side->count; i++) {
		nearest[i] = at < side->in ? (int)at : side->in - 1;
		at += scale;
	}
	return nearest;
}

static int pick_nearest(uint8_t *out, size_t stride, const struct image *image,
			const struct side *x, const struct side *y)
{
	int *columns = find_nearest(x);
	int *rows = find_nearest(y);
	int rc = CAH_ENOMEM;
	if (columns == NULL || rows == NULL)
		goto out;
	for (int i = 0; i < y->count; i++) {
		const uint8_t *row =
			image->rgb + (size_t)rows[i] * (size_t)image->width * 3;
		for (int j = 0; j < x->count; j++)
			memcpy(out + (size_t)i * stride + (size_t)j * 3,
			       row + (size_t)columns[j] * 3, 3);
	}
	rc = CAH_OK;
out:
	free(columns);
	free(rows);
	return rc;
}

int image_fit(uint8_t *out, const struct image *image,
	      const struct image_fit *fit)
{
	if (fit->shortest_edge <= 0 || fit->width <= 0 || fit->height <= 0 ||
	    image->width <= 0 || image->height <= 0)
		return CAH_EINVALID;

	struct side x, y;
	plan(&x, &y, image, fit);
	size_t stride = (size_t)fit->width * 3;
	if (x.count < fit->width || y.count < fit->height)
		memset(out, 0, stride * (size_t)fit->height);
	uint8_t *start = out + (size_t)y.at * stride + (size_t)x.at * 3;
	if (fit->filter == IMAGE_NEAREST)
		return pick_nearest(start, stride, image, &x, &y);
	struct pixels from = {image->rgb, 3};
	return resample(start, stride, &from, &x, &y, fit->filter);
}

static bool is_within(int full, int start, int count)
{
	return full > 0 && count > 0 && start >= 0 && start <= full - count;
}

int image_scale(uint8_t *out, size_t stride, const struct image *image,
		const struct image_window *w, enum image_filter filter)
{
	if (!is_within(w->full_width, w->left, w->width) ||
	    !is_within(w->full_height, w->top, w->height) ||
	    image->width <= 0 || image->height <= 0)
		return CAH_EINVALID;

	struct side x, y;
	plan_source(&x, &y, image);
	x.out = w->full_width;
	x.first = w->left;
	x.count = w->width;
	y.out = w->full_height;
	y.first = w->top;
	y.count = w->height;
	if (filter == IMAGE_NEAREST)
		return pick_nearest(out, stride, image, &x, &y);
	struct pixels from = {image->rgb, 3};
	return resample(out, stride, &from, &x, &y, filter);
}
