/* Decodes and fits what the lines of its input name, so that the system tests
 * can lay the pixels beside Pillow's. A line, parted by tabs: the picture's
 * file, min_side, shortest edge (0: as decoded), width, height, filter, the
 * file for the pixels. Answers with a line each: fate, width, height, original
 * width and height, extension. */
#include "base/fail.h"
#include "base/file.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	FILE_LIMIT = 256 * 1024 * 1024, /* bytes of one picture */
	LINE_LIMIT = 8192,              /* bytes */
	PIXELS_LIMIT = 1 << 24,         /* of what is fitted */
};

struct request {
	char in[4096];
	char out[4096];
	int min_side;
	int filter;
	struct image_fit fit;
};

static bool parse(struct request *r, const char *line)
{
	/* NOLINTNEXTLINE(cert-err34-c): the tests are on the other side */
	int n = sscanf(line, "%4095[^\t]\t%d\t%d\t%d\t%d\t%d\t%4095[^\n]",
		       r->in, &r->min_side, &r->fit.shortest_edge,
		       &r->fit.width, &r->fit.height, &r->filter, r->out);
	r->fit.filter = (enum image_filter)r->filter;
	return n == 7 && (int64_t)r->fit.width * r->fit.height <= PIXELS_LIMIT;
}

static int put_pixels(const struct request *r, const struct image *image,
		      struct cah_error *err)
{
	if (r->fit.shortest_edge == 0)
		return file_put(
			r->out, image->rgb,
			(size_t)image->width * (size_t)image->height * 3, err);
	size_t len = (size_t)r->fit.width * (size_t)r->fit.height * 3;
	uint8_t *pixels = malloc(len);
	if (pixels == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", r->in);
	int rc = image_fit(pixels, image, &r->fit);
	if (rc == CAH_OK)
		rc = file_put(r->out, pixels, len, err);
	else
		(void)cah_fail(err, rc, "%s: cannot be fitted", r->in);
	free(pixels);
	return rc;
}

static int answer(const struct request *r, struct cah_error *err)
{
	struct buf bytes;
	buf_init(&bytes, FILE_LIMIT);
	int rc = file_read(&bytes, r->in, err);
	if (rc == CAH_OK) {
		struct image_limits limits = image_limits_default();
		limits.min_bytes = 0;
		struct image image;
		enum fate fate = image_decode(&image, buf_slice(&bytes),
					      &limits, r->min_side);
		if (fate == CAH_FATE_KEPT)
			rc = put_pixels(r, &image, err);
		printf("%s\t%d\t%d\t%d\t%d\t%s\n", fate_key(fate), image.width,
		       image.height, image.original_width,
		       image.original_height, image_extension(image.format));
		image_fini(&image);
	}
	buf_fini(&bytes);
	return rc;
}

int main(void)
{
	char line[LINE_LIMIT];
	struct request request;
	struct cah_error err = {0};
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (!parse(&request, line)) {
			fprintf(stderr, "not understood: %s", line);
			return EXIT_FAILURE;
		}
		if (answer(&request, &err) != CAH_OK) {
			fprintf(stderr, "%s\n", err.text);
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}
