/* The files are those of the hub's tokenizers: tokenizer.json as the
 * `tokenizers` library writes it, or vocab.json and merges.txt, the originals;
 * with tokenizer_config.json and config.json beside them. */
#include "base/fail.h"
#include "base/file.h"
#include "clip/model_json.h"
#include "clip/vocab.h"

#include <limits.h>
#include <stdio.h>

/* The end of the pattern in tokenizer.json; special tokens may stand before. */
static const char pattern[] =
	"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

static struct slice text_of(const json_t *value)
{
	if (!json_is_string(value))
		return (struct slice){NULL, 0};
	return (struct slice){json_string_value(value),
			      json_string_length(value)};
}

/* The part of type @type, which may be inside of a Sequence. */
static const json_t *part_of(const json_t *part, const char *list,
			     const char *type)
{
	if (slice_equal(text_of(json_object_get(part, "type")), slice_of(type)))
		return part;
	const json_t *parts = json_object_get(part, list);
	for (size_t i = 0; i < json_array_size(parts); i++) {
		const json_t *one = json_array_get(parts, i);
		if (slice_equal(text_of(json_object_get(one, "type")),
				slice_of(type)))
			return one;
	}
	return NULL;
}

/* Whatever differs from CLIP's would give embeddings that look right and are
 * not. */
static int check_kind(const json_t *root, const char *name,
		      struct cah_error *err)
{
	const json_t *model = json_object_get(root, "model");
	struct slice type = text_of(json_object_get(model, "type"));
	struct slice suffix =
		text_of(json_object_get(model, "end_of_word_suffix"));
	struct slice prefix =
		text_of(json_object_get(model, "continuing_subword_prefix"));
	if ((type.len > 0 && !slice_equal(type, SLICE("BPE"))) ||
	    !slice_equal(suffix, SLICE("</w>")) || prefix.len > 0)
		return cah_fail(err, CAH_EFORMAT,
				"%s: not CLIP's tokenizer: no BPE with </w>",
				name);
	if (part_of(json_object_get(root, "normalizer"), "normalizers",
		    "Lowercase") == NULL)
		return cah_fail(err, CAH_EFORMAT,
				"%s: not CLIP's tokenizer: no lower case",
				name);
	const json_t *split = part_of(json_object_get(root, "pre_tokenizer"),
				      "pretokenizers", "Split");
	const json_t *regex =
		json_object_get(json_object_get(split, "pattern"), "Regex");
	if (!slice_ends(text_of(regex), slice_of(pattern)))
		return cah_fail(err, CAH_EFORMAT,
				"%s: not CLIP's tokenizer: another pattern",
				name);
	return CAH_OK;
}

/* Both forms are in use: "a b" and ["a", "b"]. */
static bool split_merge(const json_t *merge, struct slice *left,
			struct slice *right)
{
	if (json_is_array(merge) && json_array_size(merge) == 2) {
		*left = text_of(json_array_get(merge, 0));
		*right = text_of(json_array_get(merge, 1));
		return left->len > 0 && right->len > 0;
	}
	struct slice text = text_of(merge);
	const char *space =
		memchr(text.data != NULL ? text.data : "", ' ', text.len);
	if (space == NULL)
		return false;
	*left = (struct slice){text.data, (size_t)(space - text.data)};
	*right = slice_from(text, left->len + 1);
	return left->len > 0 && right->len > 0;
}

static int add_merges(struct vocab *v, const json_t *merges, const char *name,
		      struct cah_error *err)
{
	size_t count = json_array_size(merges);
	if (!json_is_array(merges) || count > VOCAB_MERGES_MAX)
		return cah_fail(err, CAH_EFORMAT,
				"%s: no list of at most %d merges", name,
				VOCAB_MERGES_MAX);
	for (size_t i = 0; i < count; i++) {
		struct slice left;
		struct slice right;
		if (!split_merge(json_array_get(merges, i), &left, &right))
			return cah_fail(err, CAH_EFORMAT,
					"%s: merge %zu is not of two tokens",
					name, i + 1);
		int rc = vocab_add_merge(v, left, right, (uint32_t)i, err);
		if (rc != CAH_OK)
			return cah_fail_prefix(err, rc, "%s", name);
	}
	return CAH_OK;
}

static int add_special(struct vocab *v, const json_t *list, const char *name,
		       struct cah_error *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);
		struct slice token = text_of(json_object_get(row, "content"));
		const json_t *id = json_object_get(row, "id");
		if (token.len == 0 || !json_is_integer(id))
			return cah_fail(err, CAH_EFORMAT,
					"%s: an added token without its id",
					name);
		int rc = vocab_add_token(v, token, json_integer_value(id), name,
					 err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int read_tokenizer(struct vocab *v, const json_t *root, const char *name,
			  struct cah_error *err)
{
	const json_t *model = json_object_get(root, "model");
	int rc = check_kind(root, name, err);
	if (rc == CAH_OK)
		rc = vocab_add_tokens(v, json_object_get(model, "vocab"), name,
				      err);
	if (rc == CAH_OK)
		rc = add_merges(v, json_object_get(model, "merges"), name, err);
	if (rc == CAH_OK)
		rc = add_special(v, json_object_get(root, "added_tokens"), name,
				 err);
	if (rc != CAH_OK)
		return rc;
	struct slice unknown = text_of(json_object_get(model, "unk_token"));
	if (unknown.len > 0)
		v->unknown = vocab_find(v, unknown);
	v->flavour = WORDS_FAST;
	return CAH_OK;
}

/* Lines of "left right"; the first may tell a version. */
static int read_merge_lines(struct vocab *v, struct slice text,
			    struct cah_error *err)
{
	uint32_t rank = 0;
	for (size_t line = 1; text.len > 0; line++) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
		struct slice row = {text.data, len};
		text = slice_from(text, len + 1);
		if (row.len > 0 && row.data[row.len - 1] == '\r')
			row.len--;
		if (row.len == 0 ||
		    (line == 1 && slice_starts(row, SLICE("#version"))))
			continue;
		const char *space = memchr(row.data, ' ', row.len);
		if (space == NULL)
			return cah_fail(err, CAH_EFORMAT,
					"line %zu is not two tokens", line);
		struct slice left = {row.data, (size_t)(space - row.data)};
		int rc = vocab_add_merge(v, left, slice_from(row, left.len + 1),
					 rank++, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int read_originals(struct vocab *v, const char *folder,
			  struct cah_error *err)
{
	char path[PATH_MAX];
	json_t *tokens = NULL;
	int rc = model_json_read(&tokens, folder, "vocab.json", VOCAB_FILE_MAX,
				 err);
	if (rc == CAH_ENOTFOUND)
		return cah_fail(err, rc,
				"%s: neither tokenizer.json nor vocab.json",
				folder);
	if (rc != CAH_OK)
		return rc;
	rc = vocab_add_tokens(v, tokens, "vocab.json", err);
	json_decref(tokens);
	if (rc != CAH_OK)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/merges.txt", folder);
	struct buf text;
	buf_init(&text, VOCAB_FILE_MAX);
	rc = file_read(&text, path, err);
	if (rc == CAH_OK) {
		rc = read_merge_lines(v, buf_slice(&text), err);
		if (rc != CAH_OK)
			rc = cah_fail_prefix(err, rc, "merges.txt");
	}
	buf_fini(&text);
	v->flavour = WORDS_ORIGINAL;
	return rc;
}

/* "token", or {"content": "token", ...}. */
static int32_t special(const struct vocab *v, const json_t *config,
		       const char *key, const char *usual)
{
	const json_t *value = json_object_get(config, key);
	struct slice token = text_of(json_is_object(value)
					     ? json_object_get(value, "content")
					     : value);
	return vocab_find(v, token.len > 0 ? token : slice_of(usual));
}

/* The hub writes 10^30 where nobody set it: not an integer, or too large. */
static int context_in(const json_t *value, int otherwise)
{
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
	return n > 0 && n <= VOCAB_CONTEXT_MAX && n < otherwise ? (int)n
								: otherwise;
}

static int read_specials(struct vocab *v, const char *folder,
			 struct cah_error *err)
{
	json_t *config = NULL;
	json_t *model = NULL;
	int rc = model_json_optional(&config, folder, "tokenizer_config.json",
				     VOCAB_FILE_MAX, err);
	if (rc == CAH_OK)
		rc = model_json_optional(&model, folder, "config.json",
					 VOCAB_FILE_MAX, err);
	if (rc != CAH_OK)
		goto out;
	v->start = special(v, config, "bos_token", "<|startoftext|>");
	v->end = special(v, config, "eos_token", "<|endoftext|>");
	v->pad = special(v, config, "pad_token", "<|endoftext|>");
	if (v->pad == VOCAB_NONE)
		v->pad = v->end;
	if (v->unknown == VOCAB_NONE && v->flavour == WORDS_ORIGINAL)
		v->unknown = special(v, config, "unk_token", "<|endoftext|>");
	const json_t *text = json_object_get(model, "text_config");
	v->context = context_in(
		json_object_get(text, "max_position_embeddings"), INT_MAX);
	v->context = context_in(json_object_get(config, "model_max_length"),
				v->context);
	if (v->context == INT_MAX)
		v->context = VOCAB_CONTEXT_USUAL;
	const json_t *size = json_object_get(text, "vocab_size");
	if (json_is_integer(size) && json_integer_value(size) <= v->biggest)
		rc = cah_fail(err, CAH_EFORMAT,
			      "%s: token %d is not among the %lld of "
			      "config.json",
			      folder, (int)v->biggest,
			      (long long)json_integer_value(size));
	else if (v->start == VOCAB_NONE || v->end == VOCAB_NONE)
		rc = cah_fail(err, CAH_EFORMAT,
			      "%s: the vocabulary has no start or end of text",
			      folder);
	else if (v->context < VOCAB_CONTEXT_MIN)
		rc = cah_fail(err, CAH_EFORMAT,
			      "%s: a context of %d tokens is too short", folder,
			      v->context);
out:
	json_decref(config);
	json_decref(model);
	return rc;
}

int vocab_read(struct vocab *v, const char *folder, struct cah_error *err)
{
	json_t *root = NULL;
	int rc = vocab_init(v, err);
	if (rc != CAH_OK)
		return rc;
	rc = model_json_optional(&root, folder, "tokenizer.json",
				 VOCAB_FILE_MAX, err);
	if (rc == CAH_OK && root != NULL)
		rc = read_tokenizer(v, root, "tokenizer.json", err);
	else if (rc == CAH_OK)
		rc = read_originals(v, folder, err);
	json_decref(root);
	if (rc == CAH_OK)
		rc = read_specials(v, folder, err);
	if (rc == CAH_OK)
		vocab_bind_bytes(v);
	return rc;
}
