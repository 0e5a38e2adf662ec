/* Numbers are read as doubles (JSON_DECODE_INT_AS_REAL): a whole number too
 * large for 64 bits is then a value out of range and not a syntax error. */
#include "wire/body.h"

#include "base/fail.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

static int not_json(struct cah_error *err, const char *why)
{
	int rc = cah_fail(err, CAH_EFORMAT, "the body is not JSON: %s", why);
	if (err != NULL)
		err->http_status = 415;
	return rc;
}

/* The parser recurses, and allows 2,048 levels; nobody needs them. */
static bool is_too_deep(struct slice s)
{
	int depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '[' || c == '{'))
			depth++;
		else if (!in_string && (c == ']' || c == '}'))
			depth--;
		if (depth > WIRE_DEPTH_MAX)
			return true;
	}
	return false;
}

int wire_body_parse(struct wire_body *out, struct slice bytes,
		    struct cah_error *err)
{
	out->root = NULL;
	if (bytes.len == 0)
		return not_json(err, "it is empty");
	if (is_too_deep(bytes))
		return cah_fail(err, CAH_EFORMAT,
				"the body is nested deeper than %d levels",
				WIRE_DEPTH_MAX);
	json_error_t why;
	out->root = json_loadb(bytes.data, bytes.len,
			       JSON_DECODE_ANY | JSON_ALLOW_NUL |
				       JSON_DECODE_INT_AS_REAL,
			       &why);
	if (out->root == NULL) {
		switch (json_error_code(&why)) {
		case json_error_out_of_memory:
			return cah_fail(err, CAH_ENOMEM, "body");
		case json_error_numeric_overflow:
			return cah_fail(err, CAH_EINVALID,
					"a number of the body is too large");
		default:
			return not_json(err, why.text);
		}
	}
	if (!json_is_object(out->root))
		return cah_fail(err, CAH_EFORMAT, "the body is not an object");
	return CAH_OK;
}

void wire_body_fini(struct wire_body *body)
{
	json_decref(body->root);
	body->root = NULL;
}

bool wire_body_has(const struct wire_body *body, const char *name)
{
	return json_object_get(body->root, name) != NULL;
}

static int find(const struct wire_body *body, const char *name, json_t **out,
		struct cah_error *err)
{
	*out = json_object_get(body->root, name);
	if (*out == NULL)
		return cah_fail(err, CAH_EFORMAT, "%s: missing", name);
	return CAH_OK;
}

static int as_text(json_t *value, const char *name, struct slice *out,
		   struct cah_error *err)
{
	if (!json_is_string(value))
		return cah_fail(err, CAH_EFORMAT, "%s: not a string", name);
	out->data = json_string_value(value);
	out->len = json_string_length(value);
	return CAH_OK;
}

static int as_int(json_t *value, const char *name, int64_t min, int64_t max,
		  int64_t *out, struct cah_error *err)
{
	double n = json_is_real(value) ? json_real_value(value) : 0.5;
	if (n != floor(n))
		return cah_fail(err, CAH_EFORMAT, "%s: not a whole number",
				name);
	if (n < (double)min || n > (double)max)
		return cah_fail(err, CAH_EINVALID,
				"%s: not from %" PRId64 " to %" PRId64, name,
				min, max);
	*out = (int64_t)n;
	return CAH_OK;
}

int wire_body_text(const struct wire_body *body, const char *name,
		   struct slice *out, struct cah_error *err)
{
	json_t *value;
	int rc = find(body, name, &value, err);
	return rc != CAH_OK ? rc : as_text(value, name, out, err);
}

int wire_body_int(const struct wire_body *body, const char *name, int64_t min,
		  int64_t max, int64_t *out, struct cah_error *err)
{
	json_t *value;
	int rc = find(body, name, &value, err);
	return rc != CAH_OK ? rc : as_int(value, name, min, max, out, err);
}

int wire_body_list(const struct wire_body *body, const char *name,
		   size_t *count, struct cah_error *err)
{
	json_t *value;
	int rc = find(body, name, &value, err);
	if (rc != CAH_OK)
		return rc;
	if (!json_is_array(value))
		return cah_fail(err, CAH_EFORMAT, "%s: not a list", name);
	*count = json_array_size(value);
	if (*count > WIRE_ITEMS_MAX)
		return cah_fail(err, CAH_EINVALID, "%s: more than %d", name,
				WIRE_ITEMS_MAX);
	return CAH_OK;
}

int wire_body_list_text(const struct wire_body *body, const char *name,
			size_t at, struct slice *out, struct cah_error *err)
{
	json_t *list = json_object_get(body->root, name);
	return as_text(json_array_get(list, at), name, out, err);
}

int wire_body_list_int(const struct wire_body *body, const char *name,
		       size_t at, int64_t *out, struct cah_error *err)
{
	json_t *list = json_object_get(body->root, name);
	/* Every whole number up to this is a double of its own. */
	int64_t max = (int64_t)1 << 53;
	return as_int(json_array_get(list, at), name, 1, max, out, err);
}

int wire_body_map_text(const struct wire_body *body, const char *name,
		       const char *key, struct slice *out,
		       struct cah_error *err)
{
	json_t *map;
	int rc = find(body, name, &map, err);
	if (rc != CAH_OK)
		return rc;
	if (!json_is_object(map))
		return cah_fail(err, CAH_EFORMAT, "%s: not an object", name);
	json_t *value = json_object_get(map, key);
	if (value == NULL)
		return cah_fail(err, CAH_EFORMAT, "%s: none for %s", name, key);
	return as_text(value, name, out, err);
}
