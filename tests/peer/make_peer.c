/* Makes what the lines of its input say, so that the system tests can lay the
 * files beside those of others. A line, parted by tabs: the picture's file, the
 * way to resize, size, format (jpg, png, webp), quality, letters for what is on
 * (b: only if bigger, s: skip re-encoding, k: keep the file, e: exact, x: EXIF,
 * p: perceptual hash, t: keep truncated, c: ICC to sRGB), the file to write.
 * Answers with a line each: fate, width, height, original width and height,
 * extension, 1 for truncated, the hash in hexadecimal, EXIF. */
#include "base/fail.h"
#include "base/file.h"
#include "image/make.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FILE_LIMIT = 256 * 1024 * 1024, /* bytes of one picture */
	LINE_LIMIT = 8192,              /* bytes */
};

struct request {
	char in[4096];
	char out[4096];
	struct image_limits limits;
	struct image_recipe recipe;
};

static enum image_format format_of(const char *extension)
{
	for (int i = IMAGE_JPEG; i <= IMAGE_WEBP; i++)
		if (strcmp(image_extension((enum image_format)i), extension) ==
		    0)
			return (enum image_format)i;
	return IMAGE_UNKNOWN;
}

static bool parse(struct request *r, const char *line)
{
	char resize[32], format[8], letters[16];
	r->limits = image_limits_default();
	r->limits.min_bytes = 0;
	r->recipe = image_recipe_default();
	/* NOLINTNEXTLINE(cert-err34-c): the tests are on the other side */
	int n = sscanf(line,
		       "%4095[^\t]\t%31[^\t]\t%d\t%7[^\t]\t%d\t%15[^\t]\t"
		       "%4095[^\n]",
		       r->in, resize, &r->recipe.size, format,
		       &r->recipe.quality, letters, r->out);
	if (n != 7)
		return false;
	r->recipe.resize = image_resize_of(resize);
	r->recipe.format = format_of(format);
	r->recipe.only_if_bigger = strchr(letters, 'b') != NULL;
	r->recipe.skip_reencode = strchr(letters, 's') != NULL;
	r->recipe.keep_file = strchr(letters, 'k') != NULL;
	r->recipe.exact = strchr(letters, 'e') != NULL;
	r->recipe.wants_exif = strchr(letters, 'x') != NULL;
	r->recipe.wants_phash = strchr(letters, 'p') != NULL;
	r->limits.keep_truncated = strchr(letters, 't') != NULL;
	r->limits.to_srgb = strchr(letters, 'c') != NULL;
	return true;
}

static int answer(const struct request *r, struct cah_error *err)
{
	struct buf bytes;
	buf_init(&bytes, FILE_LIMIT);
	int rc = file_read(&bytes, r->in, err);
	if (rc == CAH_OK)
		rc = image_recipe_check(&r->recipe, err);
	if (rc == CAH_OK) {
		struct image_made made;
		enum fate fate = image_make(&made, buf_slice(&bytes),
					    &r->limits, &r->recipe);
		if (fate == CAH_FATE_KEPT)
			rc = file_put(r->out, made.data, made.len, err);
		printf("%s\t%d\t%d\t%d\t%d\t%s\t%d\t%016" PRIx64 "\t%s\n",
		       fate_key(fate), made.width, made.height,
		       made.original_width, made.original_height,
		       image_extension(made.format), made.is_truncated,
		       made.phash, made.exif != NULL ? made.exif : "");
		image_made_fini(&made);
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
