#include "cli/pairs.h"

#include "base/fail.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

void pair_fini(struct pair *pair)
{
	free(pair->image);
	free(pair->text);
	*pair = (struct pair){0};
}

int pairs_open(struct pairs *out, const char *path, struct cah_error *err)
{
	*out = (struct pairs){.in = stdin};
	if (strcmp(path, "-") != 0) {
		out->in = fopen(path, "re");
		out->is_own = true;
	}
	if (out->in == NULL && errno == ENOENT)
		return cah_fail(err, CAH_ENOTFOUND, "%s: no such file", path);
	if (out->in == NULL)
		return cah_fail_errno(err, errno, "cannot open %s", path);
	lines_init(&out->lines, out->in, out->is_own ? path : "standard input");
	return CAH_OK;
}

void pairs_close(struct pairs *pairs)
{
	lines_fini(&pairs->lines);
	if (pairs->is_own && pairs->in != NULL)
		(void)fclose(pairs->in);
	pairs->in = NULL;
}

static int set(struct pair *out, struct slice image, struct slice text,
	       struct cah_error *err)
{
	out->image = strndup(image.data, image.len);
	/* Not strndup: a text may hold a NUL, and counts to its end. */
	out->text = malloc(text.len + 1);
	if (out->image == NULL || out->text == NULL)
		return cah_fail(err, CAH_ENOMEM, "pairs: out of memory");
	if (text.len > 0)
		memcpy(out->text, text.data, text.len);
	out->text[text.len] = '\0';
	out->text_len = text.len;
	return 1;
}

static int bad_line(const struct pairs *pairs, const char *what,
		    struct cah_error *err)
{
	return cah_fail(err, CAH_EFORMAT, "%s: line %zu: %s", pairs->lines.name,
			pairs->lines.number, what);
}

static int parse_json(const struct pairs *pairs, struct pair *out,
		      struct slice line, struct cah_error *err)
{
	json_error_t why;
	json_t *root = json_loadb(line.data, line.len, JSON_ALLOW_NUL, &why);
	if (root == NULL)
		return bad_line(pairs, why.text, err);
	const json_t *image = json_object_get(root, "image");
	const json_t *text = json_object_get(root, "text");
	int rc;
	if (json_is_string(image) && json_is_string(text))
		rc = set(out,
			 (struct slice){json_string_value(image),
					json_string_length(image)},
			 (struct slice){json_string_value(text),
					json_string_length(text)},
			 err);
	else
		rc = bad_line(pairs, "no \"image\" and \"text\" in it", err);
	json_decref(root);
	return rc;
}

static int parse(const struct pairs *pairs, struct pair *out, struct slice line,
		 struct cah_error *err)
{
	if (line.data[0] == '{')
		return parse_json(pairs, out, line, err);
	const char *tab = memchr(line.data, '\t', line.len);
	if (tab == NULL)
		return bad_line(pairs, "no tab between image and text", err);
	struct slice image = {line.data, (size_t)(tab - line.data)};
	return set(out, image, slice_from(line, image.len + 1), err);
}

int pairs_next(struct pairs *pairs, struct pair *out, struct cah_error *err)
{
	struct slice line;
	int rc;
	*out = (struct pair){0};
	do
		rc = lines_next(&pairs->lines, &line, err);
	while (rc > 0 && line.len == 0);
	if (rc > 0)
		rc = parse(pairs, out, line, err);
	if (rc < 0)
		pair_fini(out);
	return rc;
}
