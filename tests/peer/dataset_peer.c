/* Writes one shard: FOLDER NAME DIMENSION tar|- [stop]. A line of its input is
 * one pair as JSON, with "image" (a file), "image_embedding" and
 * "text_embedding"; for each it says "added". At the end of the input the shard
 * is committed; with "stop" it only says "waiting" and does so. */
#include "base/fail.h"
#include "base/file.h"
#include "dataset/shard.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FILE_LIMIT = 64 * 1024 * 1024, /* bytes of one picture */
	DIMENSION_MAX = 1024,
};

static struct slice text_of(const json_t *pair, const char *key)
{
	const json_t *text = json_object_get(pair, key);
	return (struct slice){json_string_value(text),
			      json_string_length(text)};
}

static void read_numbers(float *out, const json_t *pair, const char *key)
{
	const json_t *numbers = json_object_get(pair, key);
	for (size_t i = 0; i < json_array_size(numbers); i++)
		out[i] = (float)json_number_value(json_array_get(numbers, i));
}

static int add(struct shard *shard, const json_t *json, struct cah_error *err)
{
	static float image_embedding[DIMENSION_MAX];
	static float text_embedding[DIMENSION_MAX];
	struct buf image;
	buf_init(&image, FILE_LIMIT);
	read_numbers(image_embedding, json, "image_embedding");
	read_numbers(text_embedding, json, "text_embedding");
	int rc = file_read(
		&image, json_string_value(json_object_get(json, "image")), err);
	struct pair pair = {
		.sample_id =
			json_integer_value(json_object_get(json, "SAMPLE_ID")),
		.url = text_of(json, "URL"),
		.text = text_of(json, "TEXT"),
		.page_url = text_of(json, "page_url"),
		.license = text_of(json, "LICENSE"),
		.language = text_of(json, "language"),
		.nsfw = text_of(json, "NSFW"),
		.md5 = text_of(json, "md5"),
		.width =
			(int)json_integer_value(json_object_get(json, "WIDTH")),
		.height = (int)json_integer_value(
			json_object_get(json, "HEIGHT")),
		.similarity =
			json_number_value(json_object_get(json, "similarity")),
		.image_embedding = image_embedding,
		.text_embedding = text_embedding,
		.image = buf_slice(&image),
		.extension = "jpg",
	};
	if (rc == CAH_OK)
		rc = shard_add(shard, &pair, err);
	buf_fini(&image);
	return rc;
}

static int add_all(struct shard *shard, struct shard_stats *stats,
		   struct cah_error *err)
{
	char *line = NULL;
	size_t room = 0;
	int rc = CAH_OK;
	while (rc == CAH_OK && getline(&line, &room, stdin) > 0) {
		json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
		rc = json == NULL ? cah_fail(err, CAH_EFORMAT, "not JSON")
				  : add(shard, json, err);
		json_decref(json);
		stats->fates.n[CAH_FATE_KEPT]++;
		(void)puts("added");
		(void)fflush(stdout);
	}
	free(line);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	struct shard_options options = {
		.folder = argv[1],
		.name = argv[2],
		.dimension = (int)strtol(argv[3], NULL, 10),
		.save_images = strcmp(argv[4], "tar") == 0,
	};
	struct shard_stats stats = {.wat_url = "http://x.test/a.wat.gz",
				    .model = "demo",
				    .threshold = 0.3,
				    .seconds = 1.5};
	stats.fates.n[CAH_FATE_LOW_SIMILARITY] = 7;
	struct cah_error err = {0};
	struct shard *shard;
	int rc = shard_create(&shard, &options, &err);
	if (rc == CAH_OK) {
		rc = add_all(shard, &stats, &err);
		if (argc > 5) {
			(void)puts("waiting");
			(void)fflush(stdout);
			(void)pause();
		}
		if (rc == CAH_OK)
			rc = shard_commit(shard, &stats, &err);
		else
			shard_discard(shard);
	}
	if (rc != CAH_OK)
		fprintf(stderr, "%s\n", err.text);
	return rc == CAH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
