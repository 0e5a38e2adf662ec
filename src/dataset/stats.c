#include "dataset/stats.h"

#include "base/fail.h"

#include <jansson.h>
#include <stdlib.h>

/* A failed json_object_set_new shows in nothing but its result; so gather it.
 */
static void put(json_t *object, const char *key, json_t *value, bool *is_failed)
{
	if (json_object_set_new(object, key, value) != 0)
		*is_failed = true;
}

static json_t *text_or_null(const char *text)
{
	json_t *value = text != NULL ? json_string(text) : NULL;
	/* What is not UTF-8 is no text to JSON. */
	return value != NULL ? value : json_null();
}

static json_t *real_or_null(double value)
{
	json_t *real = json_real(value);
	return real != NULL ? real : json_null();
}

static json_t *fates_object(const struct fate_counts *counts)
{
	json_t *object = json_object();
	bool is_failed = object == NULL;
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		put(object, fate_key((enum fate)i), json_integer(counts->n[i]),
		    &is_failed);
	if (is_failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *stage_object(const struct shard_stage *stage)
{
	json_t *object = json_object();
	bool is_failed = object == NULL;
	put(object, "stage", text_or_null(stage->name), &is_failed);
	put(object, "threads", json_integer(stage->threads), &is_failed);
	put(object, "busy", real_or_null(stage->busy), &is_failed);
	put(object, "items", json_integer(stage->items), &is_failed);
	put(object, "rate", real_or_null(stage->rate), &is_failed);
	put(object, "depth_mean", real_or_null(stage->depth_mean), &is_failed);
	put(object, "depth_most", json_integer(stage->depth_most), &is_failed);
	put(object, "room", json_integer(stage->room), &is_failed);
	if (is_failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *stages_array(const struct shard_stats *stats)
{
	json_t *array = json_array();
	bool is_failed = array == NULL;
	for (size_t i = 0; i < stats->stage_count; i++)
		if (json_array_append_new(array,
					  stage_object(&stats->stages[i])) != 0)
			is_failed = true;
	if (is_failed) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *stats_object(const char *name, int64_t rows,
			    const struct shard_stats *stats)
{
	json_t *root = json_object();
	bool is_failed = root == NULL;
	const struct {
		const char *key;
		json_t *value;
	} members[] = {
		{"name", text_or_null(name)},
		{"wat_url", text_or_null(stats->wat_url)},
		{"piece", json_integer(stats->piece)},
		{"model", text_or_null(stats->model)},
		{"threshold", real_or_null(stats->threshold)},
		{"pairs", json_integer(rows)},
		{"candidates", json_integer(fate_total(&stats->fates))},
		{"fates", fates_object(&stats->fates)},
		{"records", json_integer(stats->records)},
		{"broken_records", json_integer(stats->broken_records)},
		{"pages", json_integer(stats->pages)},
		{"image_links", json_integer(stats->image_links)},
		{"wat_bytes", json_integer(stats->wat_bytes)},
		{"image_bytes", json_integer(stats->image_bytes)},
		{"seconds", real_or_null(stats->seconds)},
		{"stages", stages_array(stats)},
		{"cah_version", json_string(CAH_VERSION)},
	};
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		put(root, members[i].key, members[i].value, &is_failed);
	if (is_failed) {
		json_decref(root);
		return NULL;
	}
	return root;
}

int stats_write(struct buf *out, const char *name, int64_t rows,
		const struct shard_stats *stats, struct cah_error *err)
{
	json_t *root = stats_object(name, rows, stats);
	char *text = root != NULL
			     ? json_dumps(root, JSON_INDENT(2) |
							JSON_REAL_PRECISION(15))
			     : NULL;
	json_decref(root);
	if (text == NULL)
		return cah_fail(err, CAH_ENOMEM, "stats of %s: out of memory",
				name);
	(void)buf_add_text(out, text);
	(void)buf_add_byte(out, '\n');
	free(text);
	return buf_check(out, name, err);
}

static int parse(struct stats_found *out, const json_t *root,
		 const char *wat_url, int piece)
{
	const json_t *fates = json_object_get(root, "fates");
	const json_t *number = json_object_get(root, "piece");
	const char *url = json_string_value(json_object_get(root, "wat_url"));
	if (!json_is_object(fates) || url == NULL || !json_is_integer(number))
		return CAH_EFORMAT;
	for (int i = 0; i < CAH_FATE_COUNT; i++) {
		/* A fate that an older version did not know never happened. */
		int64_t n = json_integer_value(
			json_object_get(fates, fate_key((enum fate)i)));
		if (n < 0)
			return CAH_EFORMAT;
		out->fates.n[i] = n;
	}
	out->is_same = strcmp(url, wat_url) == 0 &&
		       json_integer_value(number) == piece;
	return CAH_OK;
}

int stats_parse(struct stats_found *out, struct slice text, const char *wat_url,
		int piece)
{
	*out = (struct stats_found){0};
	json_t *root = json_loadb(text.data, text.len, 0, NULL);
	int rc = parse(out, root, wat_url, piece);
	json_decref(root);
	return rc;
}
