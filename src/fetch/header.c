#include "fetch/header.h"

#include <curl/curl.h>

enum {
	DATE_MAX = 33, /* bytes of the longest form, RFC 9110, 5.6.7 */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Cuts what stands before @mark off @rest, and the mark; all where there is
 * none. */
static struct slice cut(struct slice *rest, char mark)
{
	const char *at =
		rest->len > 0 ? memchr(rest->data, mark, rest->len) : NULL;
	struct slice head = *rest;
	if (at != NULL)
		head.len = (size_t)(at - rest->data);
	*rest = slice_from(*rest, head.len + 1);
	return head;
}

bool header_split(struct slice line, struct slice *name, struct slice *value)
{
	if (line.len == 0 || memchr(line.data, ':', line.len) == NULL ||
	    slice_starts(line, SLICE("HTTP/")))
		return false;
	*name = trim(cut(&line, ':'));
	*value = trim(line);
	return name->len > 0;
}

bool header_parse_number(int64_t *out, struct slice text)
{
	int64_t n = 0;
	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = text.data[i] - '0';
		if (digit < 0 || digit > 9 || n > (INT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

bool header_parse_retry_after(int64_t *seconds, struct slice value,
			      int64_t now_s)
{
	value = trim(value);
	if (header_parse_number(seconds, value))
		return true;
	char copy[DATE_MAX + 1] = "";
	/* libcurl takes more for a date than the three forms, which all begin
	 * with the name of a day. */
	if (value.len == 0 || value.len > DATE_MAX ||
	    strchr("MTWFS", value.data[0]) == NULL)
		return false;
	memcpy(copy, value.data, value.len);
	time_t date = curl_getdate(copy, NULL);
	if (date < 0)
		return false;
	*seconds = date > now_s ? date - now_s : 0;
	return true;
}

bool header_parse_content_range(struct content_range *out, struct slice value)
{
	value = trim(value);
	struct slice unit = cut(&value, ' ');
	struct slice range = trim(cut(&value, '/'));
	struct slice total = trim(value);
	*out = (struct content_range){.first = -1, .last = -1, .total = -1};
	if (!slice_equal_nocase(unit, SLICE("bytes")))
		return false;
	if (!slice_equal(total, SLICE("*")) &&
	    !header_parse_number(&out->total, total))
		return false;
	if (slice_equal(range, SLICE("*")))
		return out->total >= 0;
	struct slice first = cut(&range, '-');
	return header_parse_number(&out->first, first) &&
	       header_parse_number(&out->last, range) &&
	       out->first <= out->last &&
	       (out->total < 0 || out->last < out->total);
}

static bool is_one_of(struct slice word, const char *const *list)
{
	for (size_t i = 0; list[i] != NULL; i++)
		if (slice_equal_nocase(word, slice_of(list[i])))
			return true;
	return false;
}

bool header_forbids_use(struct slice value, struct slice agent)
{
	static const char *const forbidding[] = {
		"noai", "noimageai", "noindex", "noimageindex", "none", NULL,
	};
	/* Directives with a value: their colon names no user agent. */
	static const char *const valued[] = {
		"unavailable_after", "max-snippet", "max-image-preview",
		"max-video-preview", NULL,
	};
	bool is_for_us = true;
	while (value.len > 0) {
		struct slice word = cut(&value, ',');
		struct slice rest = word;
		struct slice name = trim(cut(&rest, ':'));
		if (name.len < trim(word).len && !is_one_of(name, valued)) {
			is_for_us = slice_equal_nocase(name, agent) ||
				    slice_equal(name, SLICE("*"));
			word = rest;
		}
		if (is_for_us && is_one_of(trim(word), forbidding))
			return true;
	}
	return false;
}
