#include "wire/text.h"

#include "base/fail.h"
#include "base/utf8.h"

int wire_text_check(struct slice s, size_t min, size_t max, const char *what,
		    struct cah_error *err)
{
	if (s.len < min)
		return cah_fail(err, CAH_EINVALID, "%s: empty", what);
	if (s.len > max)
		return cah_fail(err, CAH_EINVALID, "%s: longer than %zu bytes",
				what, max);
	uint32_t rune;
	while (s.len > 0) {
		size_t len = utf8_read_valid(s, &rune);
		if (len == 0)
			return cah_fail(err, CAH_EINVALID, "%s: not UTF-8",
					what);
		if (utf8_is_control(rune))
			return cah_fail(err, CAH_EINVALID,
					"%s: has a control character", what);
		s = slice_from(s, len);
	}
	return CAH_OK;
}

int wire_nickname_check(struct slice s, struct cah_error *err)
{
	int rc = wire_text_check(s, 1, WIRE_NICKNAME_MAX, "nickname", err);
	if (rc == CAH_OK)
		return CAH_OK;
	if (err != NULL)
		err->code = CAH_EFORMAT;
	return CAH_EFORMAT;
}

int wire_progress_clean(struct buf *out, struct slice s)
{
	int rc = CAH_OK;
	for (int n = 0; n < WIRE_PROGRESS_MAX && s.len > 0; n++) {
		uint32_t rune;
		size_t len = utf8_read_valid(s, &rune);
		if (len == 0) {
			rc = buf_add_text(out, "\xef\xbf\xbd");
			len = 1;
		} else if (utf8_is_control(rune)) {
			rc = buf_add_byte(out, ' ');
		} else {
			rc = buf_add(out, s.data, len);
		}
		s = slice_from(s, len);
	}
	return rc;
}
