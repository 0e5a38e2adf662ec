#include "wire/form.h"

#include "base/fail.h"

static const struct slice type_name = {"multipart/form-data", 19};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool wire_form_is(struct slice type)
{
	if (type.len < type_name.len ||
	    !slice_equal_nocase((struct slice){type.data, type_name.len},
				type_name))
		return false;
	return type.len == type_name.len || type.data[type_name.len] == ';' ||
	       is_blank(type.data[type_name.len]);
}

/* The value of the parameter @name of a header's value, with or without quotes
 * (RFC 9110, section 5.6.6); escapes within quotes stay. */
static bool parameter(struct slice header, struct slice name, struct slice *out)
{
	size_t at = 0;
	bool in_quotes = false;
	/* What another parameter's quotes hold is no parameter. */
	for (; at < header.len; at++) {
		if (header.data[at] == '"')
			in_quotes = !in_quotes;
		if (in_quotes || header.data[at] != ';')
			continue;
		struct slice rest = slice_from(header, at + 1);
		while (rest.len > 0 && is_blank(rest.data[0]))
			rest = slice_from(rest, 1);
		if (rest.len <= name.len || rest.data[name.len] != '=' ||
		    !slice_equal_nocase((struct slice){rest.data, name.len},
					name))
			continue;
		*out = slice_from(rest, name.len + 1);
		break;
	}
	if (at >= header.len)
		return false;
	bool is_quoted = out->len > 0 && out->data[0] == '"';
	if (is_quoted)
		*out = slice_from(*out, 1);
	size_t len = 0;
	while (len < out->len &&
	       (is_quoted ? out->data[len] != '"'
			  : out->data[len] != ';' && !is_blank(out->data[len])))
		len++;
	bool is_whole = !is_quoted || len < out->len;
	out->len = len;
	return is_whole;
}

/* Where @what begins in @s; s.len where it is not. */
static size_t find(struct slice s, struct slice what)
{
	const char *at =
		s.len > 0 ? memmem(s.data, s.len, what.data, what.len) : NULL;
	return at != NULL ? (size_t)(at - s.data) : s.len;
}

static struct slice part_name(struct slice head)
{
	struct slice name = {NULL, 0};
	const struct slice field = SLICE("Content-Disposition:");
	while (head.len > 0) {
		struct slice line = {head.data, find(head, SLICE("\r\n"))};
		if (line.len > field.len &&
		    slice_equal_nocase((struct slice){line.data, field.len},
				       field) &&
		    parameter(line, SLICE("name"), &name))
			return name;
		head = slice_from(head, line.len + 2);
	}
	return (struct slice){NULL, 0};
}

static int broken(struct cah_error *err, const char *what)
{
	return cah_fail(err, CAH_EFORMAT, "the form is broken: %s", what);
}

/* One part, which begins at *body with its headers; *body is behind the
 * delimiter at its end from then on. */
static int take_part(struct wire_form *out, struct slice *body,
		     struct slice delimiter, struct cah_error *err)
{
	struct slice part = {body->data, find(*body, delimiter)};
	if (part.len == body->len)
		return broken(err, "a part has no end");
	*body = slice_from(*body, part.len + delimiter.len);
	struct slice head = {part.data, 0};
	/* It may have no headers: then it begins with the empty line. */
	if (!slice_starts(part, SLICE("\r\n")))
		head.len = find(part, SLICE("\r\n\r\n")) + 2;
	struct slice content = slice_from(part, head.len + 2);
	if (head.len > part.len || head.len > WIRE_FORM_HEAD_MAX)
		return broken(err, "a part's headers have no end");
	struct slice name = part_name(head);
	if (name.data == NULL)
		return CAH_OK;
	if (out->count == WIRE_FORM_PARTS_MAX)
		return cah_fail(err, CAH_ELIMIT,
				"the form has more than %d parts",
				WIRE_FORM_PARTS_MAX);
	out->parts[out->count++] = (struct wire_part){name, content};
	return CAH_OK;
}

int wire_form_parse(struct wire_form *out, struct slice content_type,
		    struct slice body, struct cah_error *err)
{
	char delimiter[4 + WIRE_FORM_BOUNDARY_MAX] = "\r\n--";
	struct slice boundary;
	out->count = 0;
	if (!parameter(content_type, SLICE("boundary"), &boundary) ||
	    boundary.len < 1 || boundary.len > WIRE_FORM_BOUNDARY_MAX)
		return broken(err, "its Content-Type has no boundary");
	memcpy(delimiter + 4, boundary.data, boundary.len);
	struct slice whole = {delimiter, 4 + boundary.len};
	struct slice first = slice_from(whole, 2);
	/* What stands before the first delimiter is for nobody. */
	if (slice_starts(body, first)) {
		body = slice_from(body, first.len);
	} else {
		size_t at = find(body, whole);
		if (at == body.len)
			return broken(err, "its boundary is not in it");
		body = slice_from(body, at + whole.len);
	}
	while (!slice_starts(body, SLICE("--"))) {
		while (body.len > 0 && is_blank(body.data[0]))
			body = slice_from(body, 1);
		if (!slice_starts(body, SLICE("\r\n")))
			return broken(err, "a boundary's line does not end");
		body = slice_from(body, 2);
		int rc = take_part(out, &body, whole, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

bool wire_form_get(const struct wire_form *form, struct slice name,
		   struct slice *out)
{
	for (size_t i = 0; i < form->count; i++) {
		if (!slice_equal(form->parts[i].name, name))
			continue;
		*out = form->parts[i].content;
		return true;
	}
	return false;
}
