#include "wat/text.h"

#include "base/utf8.h"
#include "wat/entity.h"

#include <stdlib.h>
#include <unictype.h>
#include <uninorm.h>

enum {
	NORMAL_STACK = 2048, /* bytes of a text that is normalised without
				the heap */
};

/* What is written so far, and what waits. */
struct cleaning {
	struct buf *out;
	bool is_space_due; /* white space was read behind the last character */
	bool may_compose;  /* a character was read that NFC may change */
};

static bool is_ascii_space(uint32_t cp)
{
	return cp == ' ' || (cp >= '\t' && cp <= '\r');
}

static bool is_white_space(uint32_t cp)
{
	if (cp < 0x80)
		return is_ascii_space(cp);
	return uc_is_property_white_space(cp);
}

/* Controls, format characters, private use and noncharacters say nothing to a
 * reader. The two joiners stay: they make one emoji of several and letters of
 * some scripts join. Characters that are not assigned yet stay too: the next
 * Unicode may know them. */
static bool is_unwanted(uint32_t cp)
{
	if (cp < 0x80)
		return cp < 0x20 || cp == 0x7f;
	if (cp == 0x200c || cp == 0x200d)
		return false;
	if ((cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef))
		return true;
	return uc_is_general_category_withtable(
		cp, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf |
			    UC_CATEGORY_MASK_Co);
}

/* True for the characters that are sure to be in NFC whatever stands around
 * them: most of the Latin, Cyrillic, Han, kana and Hangul texts that come. */
static bool is_surely_nfc(uint32_t cp)
{
	return cp < 0x300 || (cp >= 0x388 && cp <= 0x482) ||
	       (cp >= 0x2010 && cp <= 0x2027) ||
	       (cp >= 0x3001 && cp <= 0x3096) ||
	       (cp >= 0x30a0 && cp <= 0x30ff) ||
	       (cp >= 0x4e00 && cp <= 0x9fff) ||
	       (cp >= 0xac00 && cp <= 0xd7a3) || cp == UTF8_REPLACEMENT;
}

static void put_space(struct cleaning *c)
{
	if (c->is_space_due && c->out->len > 0)
		(void)buf_add_byte(c->out, ' ');
	c->is_space_due = false;
}

static void put(struct cleaning *c, uint32_t cp)
{
	if (is_white_space(cp)) {
		c->is_space_due = true;
		return;
	}
	if (is_unwanted(cp))
		return;
	put_space(c);
	if (!is_surely_nfc(cp))
		c->may_compose = true;
	char bytes[UTF8_MAX];
	(void)buf_add(c->out, bytes, utf8_write(bytes, cp));
}

/* How many bytes @s begins with that stay as they are. */
static size_t plain_run(struct slice s)
{
	size_t i = 0;
	while (i < s.len && s.data[i] > ' ' && s.data[i] < 0x7f &&
	       s.data[i] != '&')
		i++;
	return i;
}

/* Writes what stands at the start of @s, a run or one character or reference;
 * returns its length in bytes. */
static size_t put_next(struct cleaning *c, struct slice s)
{
	size_t run = plain_run(s);
	if (run > 0) {
		put_space(c);
		(void)buf_add(c->out, s.data, run);
		return run;
	}
	struct entity entity;
	if (entity_read(s, &entity)) {
		put(c, entity.cp[0]);
		if (entity.cp[1] != 0)
			put(c, entity.cp[1]);
		return entity.len;
	}
	uint32_t cp;
	size_t len = utf8_read(s, &cp);
	put(c, cp);
	return len;
}

/* Folding and taking out came first: NFC makes no white space nor anything else
 * that would have to be taken out. */
static int normalise(struct buf *out)
{
	uint8_t stack[NORMAL_STACK];
	size_t len = sizeof(stack);
	uint8_t *text = u8_normalize(UNINORM_NFC, (const uint8_t *)out->data,
				     out->len, stack, &len);
	if (text == NULL) {
		buf_reset(out);
		return CAH_ENOMEM;
	}
	buf_reset(out);
	int rc = buf_add(out, text, len);
	if (text != stack)
		free(text);
	return rc;
}

int text_clean(struct buf *out, struct slice raw)
{
	buf_reset(out);
	struct cleaning c = {.out = out};
	for (size_t i = 0; i < raw.len && !out->is_failed;)
		i += put_next(&c, slice_from(raw, i));
	if (out->is_failed)
		return out->code;
	return c.may_compose ? normalise(out) : CAH_OK;
}
