#include "demo/truth.h"

#include "base/fail.h"
#include "base/file.h"
#include "base/table.h"

#include <jansson.h>
#include <stdlib.h>

/* A candidate of the world. */
struct link {
	bool is_right;    /* to be kept */
	bool is_for_clip; /* only CLIP can drop it, and must */
	bool is_seen;     /* a row of the dataset has it */
	char *licence;
};

struct truth {
	struct link *links;
	size_t count;
	size_t cap;
	struct table *by_pair; /* "URL\ntext" -> index of the first such link */
	int64_t candidates;
	int64_t fates[CAH_FATE_COUNT];
	int64_t bad_texts;
	int64_t impossible;
	int64_t bad_licences;
};

void truth_free(struct truth *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->links[i].licence);
	free(t->links);
	table_free(t->by_pair);
	free(t);
}

static int find_fate(const char *key)
{
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		if (strcmp(fate_key(i), key) == 0)
			return i;
	return -1;
}

static const char *field(const json_t *line, const char *name)
{
	const char *text = json_string_value(json_object_get(line, name));
	return text != NULL ? text : "";
}

static int pair_key(struct buf *out, struct slice url, struct slice text)
{
	buf_reset(out);
	(void)buf_add_slice(out, url);
	(void)buf_add_byte(out, '\n');
	return buf_add_slice(out, text);
}

static int grow(struct truth *t)
{
	if (t->count < t->cap)
		return CAH_OK;
	if (t->count == TRUTH_LINKS_MAX)
		return CAH_ELIMIT;
	size_t cap = t->cap != 0 ? t->cap * 2 : 256;
	struct link *links = realloc(t->links, cap * sizeof(*links));
	if (links == NULL)
		return CAH_ENOMEM;
	t->links = links;
	t->cap = cap;
	return CAH_OK;
}

static int add_link(struct truth *t, const json_t *line, struct buf *key)
{
	const char *fate_name = field(line, "fate");
	if (strcmp(fate_name, "no_candidate") == 0)
		return CAH_OK;
	int rc = grow(t);
	if (rc != CAH_OK)
		return rc;
	int fate = find_fate(fate_name);
	struct link *link = &t->links[t->count];
	*link = (struct link){
		.is_right = strcmp(field(line, "want"), "kept") == 0,
		.is_for_clip = strcmp(field(line, "stage"), "clip") == 0,
		.licence = strdup(field(line, "license")),
	};
	if (link->licence == NULL)
		return CAH_ENOMEM;
	size_t index = t->count++;
	t->candidates++;
	if (fate >= 0)
		t->fates[fate]++;
	else
		t->bad_texts++;

	/* A duplicate shares its pair with the one before it, which counts. */
	rc = pair_key(key, slice_of(field(line, "url")),
		      slice_of(field(line, "text")));
	if (rc == CAH_OK && !table_get(t->by_pair, buf_slice(key), NULL))
		rc = table_set(t->by_pair, buf_slice(key), index, NULL);
	return rc;
}

static int read_lines(struct truth *t, struct slice file, const char *path,
		      struct cah_error *err)
{
	struct buf key;
	buf_init(&key, 65535);
	int rc = CAH_OK;
	int number = 0;
	while (file.len > 0 && rc == CAH_OK) {
		const char *end = memchr(file.data, '\n', file.len);
		size_t len = end != NULL ? (size_t)(end - file.data) : file.len;
		json_t *line = json_loadb(file.data, len, 0, NULL);
		number++;
		rc = json_is_object(line) ? add_link(t, line, &key)
					  : CAH_EFORMAT;
		json_decref(line);
		file = slice_from(file, len + 1);
	}
	buf_fini(&key);
	if (rc != CAH_OK)
		return cah_fail(err, rc, "%s: line %d: %s", path, number,
				cah_code_text(rc));
	return CAH_OK;
}

int truth_open(struct truth **out, const char *path, struct cah_error *err)
{
	*out = NULL;
	struct truth *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	struct buf file;
	buf_init(&file, TRUTH_FILE_MAX);
	int rc = table_new(&t->by_pair, TRUTH_LINKS_MAX, err);
	if (rc == CAH_OK)
		rc = file_read(&file, path, err);
	if (rc == CAH_OK)
		rc = read_lines(t, buf_slice(&file), path, err);
	buf_fini(&file);
	if (rc != CAH_OK) {
		truth_free(t);
		return rc;
	}
	*out = t;
	return CAH_OK;
}

int64_t truth_candidates(const struct truth *t)
{
	return t->candidates;
}

int64_t truth_fate(const struct truth *t, enum fate fate)
{
	if (fate == CAH_FATE_KEPT || fate == CAH_FATE_LOW_SIMILARITY)
		return -1;
	return t->fates[fate];
}

int64_t truth_bad_texts(const struct truth *t)
{
	return t->bad_texts;
}

void truth_see(struct truth *t, const struct pair *row)
{
	struct buf key;
	uint64_t index;
	buf_init(&key, 65535);
	bool is_known = pair_key(&key, row->url, row->text) == CAH_OK &&
			table_get(t->by_pair, buf_slice(&key), &index);
	buf_fini(&key);
	struct link *link = is_known ? &t->links[index] : NULL;
	if (link == NULL || link->is_seen ||
	    (!link->is_right && !link->is_for_clip)) {
		t->impossible++;
		return;
	}
	link->is_seen = true;
	if (!slice_equal(row->license, slice_of(link->licence)))
		t->bad_licences++;
}

struct truth_score truth_score(const struct truth *t)
{
	struct truth_score score = {
		.impossible = t->impossible,
		.bad_licences = t->bad_licences,
	};
	for (size_t i = 0; i < t->count; i++) {
		const struct link *link = &t->links[i];
		score.right += link->is_right;
		score.rightly_kept += link->is_right && link->is_seen;
		score.wrong += link->is_for_clip;
		score.wrongly_kept += link->is_for_clip && link->is_seen;
	}
	score.lost = score.right - score.rightly_kept;
	return score;
}
