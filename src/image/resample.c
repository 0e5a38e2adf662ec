/* Separable resampling in whole numbers, equal to Pillow's (its documentation,
 * "Filters": the support grows with the scale when shrinking, so nothing is
 * skipped). Across first, then down, each pass rounded to 8 bits, weights with
 * 22 bits behind the point: models were trained on pictures made that way. (Of
 * late Pillow goes down first where that is less work; its rounding then
 * differs by a quarter of a level in the mean.) Built with -O3, and the loops
 * twice, plain and for AVX2. */
#include "image/image.h"

#include <math.h>
#include <stdlib.h>

enum {
	/* Weights are below 2 in magnitude: 8 bits of pixel, 22 of weight, one
	 * for that and one for the sign make 32. */
	WEIGHT_BITS = 22,
	WEIGHT_ONE = 1 << WEIGHT_BITS,
	HALF = 1 << (WEIGHT_BITS - 1),
};

/* Along one side: the source from @from to @to, of its @in pixels, is stretched
 * to @out pixels, of which @count from @first on are wanted; the first of them
 * goes to @at of the result. */
struct side {
	int in;
	double from;
	double to;
	int64_t out;
	int64_t first;
	int count;
	int at;
};

/* What each wanted pixel is made of. */
struct taps {
	int most;        /* room for weights of one pixel */
	int *start;      /* first source pixel */
	int *len;        /* source pixels */
	int32_t *weight; /* most for each */
};

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

static double bilinear(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* Keys, "Cubic convolution interpolation for digital image processing" (1981),
 * with his a = -1/2. */
static double bicubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double sinc(double x)
{
	if (x == 0)
		return 1;
	x *= M_PI;
	return sin(x) / x;
}

static double lanczos(double x)
{
	return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

struct kernel {
	double (*weight)(double x);
	double support; /* source pixels to each side at scale 1 */
};

static struct kernel kernel_of(enum image_filter filter)
{
	switch (filter) {
	case IMAGE_BILINEAR:
		return (struct kernel){bilinear, 1};
	case IMAGE_LANCZOS:
		return (struct kernel){lanczos, 3};
	case IMAGE_BICUBIC:
	case IMAGE_NEAREST:
		break;
	}
	return (struct kernel){bicubic, 2};
}

static void taps_fini(struct taps *taps)
{
	free(taps->start);
	free(taps->len);
	free(taps->weight);
}

/* The weights of one pixel, whose sum is one before they are rounded. */
static void weigh(int32_t *out, double *real, const struct kernel *kernel,
		  double from, double step, int len)
{
	double sum = 0;
	for (int i = 0; i < len; i++) {
		real[i] = kernel->weight((i + from) * step);
		sum += real[i];
	}
	for (int i = 0; i < len; i++) {
		double w = sum != 0 ? real[i] / sum : real[i];
		out[i] = (int32_t)(w * WEIGHT_ONE + (w < 0 ? -0.5 : 0.5));
	}
}

static int taps_init(struct taps *taps, const struct side *side,
		     const struct kernel *kernel)
{
	double scale = (side->to - side->from) / (double)side->out;
	double stretch = scale < 1 ? 1 : scale;
	double support = kernel->support * stretch;
	size_t count = (size_t)side->count;
	*taps = (struct taps){.most = (int)ceil(support) * 2 + 1};
	taps->start = calloc(count, sizeof(*taps->start));
	taps->len = calloc(count, sizeof(*taps->len));
	taps->weight =
		calloc(count, (size_t)taps->most * sizeof(*taps->weight));
	double *real = calloc((size_t)taps->most, sizeof(*real));
	if (taps->start == NULL || taps->len == NULL || taps->weight == NULL ||
	    real == NULL) {
		free(real);
		return CAH_ENOMEM;
	}
	for (int i = 0; i < side->count; i++) {
		double center =
			side->from + ((double)(side->first + i) + 0.5) * scale;
		double low = center - support + 0.5;
		double high = center + support + 0.5;
		int start = low < 0 ? 0 : (int)low;
		int end = high > side->in ? side->in : (int)high;
		taps->start[i] = start;
		taps->len[i] = end - start;
		weigh(taps->weight + (size_t)i * (size_t)taps->most, real,
		      kernel, start - center + 0.5, 1 / stretch, end - start);
	}
	free(real);
	return CAH_OK;
}

static inline uint8_t clip(int32_t sum)
{
	int32_t value = sum >> WEIGHT_BITS;
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Vectors as gcc and clang know them on any machine; the only typedefs beside
 * function types, for there is no other way to name one. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int32_t ints4 __attribute__((vector_size(16)));

/* Four bytes as four numbers: zeros are put behind each, which is how little
 * endian machines write them. gcc 12 takes a conversion apart, this not. */
static inline __attribute__((always_inline)) ints4 load(const uint8_t *p)
{
	int32_t four;
	memcpy(&four, p, sizeof(four));
	bytes16 bytes = (bytes16)(ints4){four, 0, 0, 0};
	return (ints4)__builtin_shufflevector(bytes, (bytes16){0}, 0, 16, 16,
					      16, 1, 16, 16, 16, 2, 16, 16, 16,
					      3, 16, 16, 16);
}

/* The three channels of a pixel at once; the fourth is the next one's red and
 * thrown away, so that one byte behind @row is read. Two sums, for each
 * addition would else wait for the one before it. */
static inline __attribute__((always_inline)) void
across_body(uint8_t *restrict out, const uint8_t *restrict row,
	    const struct taps *taps, int count)
{
	for (int i = 0; i < count; i++, out += 3) {
		const uint8_t *p = row + (size_t)taps->start[i] * 3;
		const int32_t *weight =
			taps->weight + (size_t)i * (size_t)taps->most;
		int len = taps->len[i];
		ints4 even = {HALF, HALF, HALF, HALF};
		ints4 odd = {0, 0, 0, 0};
		int j = 0;
		for (; j + 1 < len; j += 2, p += 6) {
			even += load(p) * weight[j];
			odd += load(p + 3) * weight[j + 1];
		}
		if (j < len)
			even += load(p) * weight[j];
		even += odd;
		for (int c = 0; c < 3; c++)
			out[c] = clip(even[c]);
	}
}

/* One row of the result from @len rows of @stride bytes; @sum is scratch. */
static inline __attribute__((always_inline)) void
down_body(uint8_t *restrict out, int32_t *restrict sum,
	  const uint8_t *restrict rows, const int32_t *restrict weight, int len,
	  int stride)
{
	for (int x = 0; x < stride; x++)
		sum[x] = HALF;
	for (int j = 0; j < len; j++) {
		const uint8_t *row = rows + (size_t)j * (size_t)stride;
		int32_t w = weight[j];
		for (int x = 0; x < stride; x++)
			sum[x] += row[x] * w;
	}
	for (int x = 0; x < stride; x++)
		out[x] = clip(sum[x]);
}

static void across_plain(uint8_t *out, const uint8_t *row,
			 const struct taps *taps, int count)
{
	across_body(out, row, taps, count);
}

static void down_plain(uint8_t *out, int32_t *sum, const uint8_t *rows,
		       const int32_t *weight, int len, int stride)
{
	down_body(out, sum, rows, weight, len, stride);
}

struct loops {
	void (*across)(uint8_t *out, const uint8_t *row,
		       const struct taps *taps, int count);
	void (*down)(uint8_t *out, int32_t *sum, const uint8_t *rows,
		     const int32_t *weight, int len, int stride);
};

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void across_avx2(uint8_t *out,
							const uint8_t *row,
							const struct taps *taps,
							int count)
{
	across_body(out, row, taps, count);
}

__attribute__((target("avx2"))) static void
down_avx2(uint8_t *out, int32_t *sum, const uint8_t *rows,
	  const int32_t *weight, int len, int stride)
{
	down_body(out, sum, rows, weight, len, stride);
}

static struct loops choose_loops(void)
{
	if (__builtin_cpu_supports("avx2"))
		return (struct loops){across_avx2, down_avx2};
	return (struct loops){across_plain, down_plain};
}
#else
static struct loops choose_loops(void)
{
	return (struct loops){across_plain, down_plain};
}
#endif

/* A resampling in progress; everything is freed by its owner, resample. */
struct job {
	const struct image *image;
	struct side x, y;
	struct taps x_taps, y_taps;
	int first_row; /* of the source */
	int rows;
	uint8_t *last_row; /* with the byte behind it that the loop reads */
	uint8_t *middle;   /* rows * x.count pixels */
	int32_t *sums;
};

static int prepare(struct job *job, const struct kernel *kernel)
{
	if (taps_init(&job->x_taps, &job->x, kernel) != CAH_OK ||
	    taps_init(&job->y_taps, &job->y, kernel) != CAH_OK)
		return CAH_ENOMEM;
	int last = job->y.count - 1;
	size_t stride = (size_t)job->x.count * 3;
	job->first_row = job->y_taps.start[0];
	job->rows = job->y_taps.start[last] + job->y_taps.len[last] -
		    job->first_row;
	job->last_row = malloc((size_t)job->image->width * 3 + 1);
	job->middle = calloc((size_t)job->rows, stride);
	job->sums = calloc(stride, sizeof(*job->sums));
	if (job->last_row == NULL || job->middle == NULL || job->sums == NULL)
		return CAH_ENOMEM;
	return CAH_OK;
}

static void pass_across(const struct job *job, const struct loops *loops)
{
	size_t in_stride = (size_t)job->image->width * 3;
	size_t out_stride = (size_t)job->x.count * 3;
	for (int i = 0; i < job->rows; i++) {
		int y = job->first_row + i;
		const uint8_t *row = job->image->rgb + (size_t)y * in_stride;
		if (y == job->image->height - 1) {
			memcpy(job->last_row, row, in_stride);
			job->last_row[in_stride] = 0;
			row = job->last_row;
		}
		loops->across(job->middle + (size_t)i * out_stride, row,
			      &job->x_taps, job->x.count);
	}
}

static void pass_down(const struct job *job, const struct loops *loops,
		      uint8_t *out, size_t stride)
{
	size_t middle_stride = (size_t)job->x.count * 3;
	for (int i = 0; i < job->y.count; i++) {
		int start = job->y_taps.start[i] - job->first_row;
		const int32_t *weight = job->y_taps.weight +
					(size_t)i * (size_t)job->y_taps.most;
		loops->down(out + (size_t)i * stride, job->sums,
			    job->middle + (size_t)start * middle_stride, weight,
			    job->y_taps.len[i], (int)middle_stride);
	}
}

static int resample(uint8_t *out, size_t stride, const struct image *image,
		    const struct side *x, const struct side *y,
		    enum image_filter filter)
{
	struct kernel kernel = kernel_of(filter);
	struct loops loops = choose_loops();
	struct job job = {.image = image, .x = *x, .y = *y};
	int rc = prepare(&job, &kernel);
	if (rc == CAH_OK) {
		pass_across(&job, &loops);
		pass_down(&job, &loops, out, stride);
	}
	taps_fini(&job.x_taps);
	taps_fini(&job.y_taps);
	free(job.last_row);
	free(job.middle);
	free(job.sums);
	return rc;
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
	return resample(start, stride, image, &x, &y, fit->filter);
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
	return resample(out, stride, image, &x, &y, filter);
}
