#include "wat/text.h"

#include "base/utf8.h"
#include "wat/entity.h"
#include "wat/mend.h"
#include "wat/mojibake.h"

#include <stdlib.h>
#include <unictype.h>
#include <uninorm.h>

enum {
	NORMAL_STACK = 2048, /* bytes of a text that is normalised without
				the heap */
	MEND_STACK = 512,    /* bytes of a text that is mended without it */
	MEND_MAX = 64 << 10, /* of one that is mended at all: longer ones are
				no captions */
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

/* Characters that are in NFC whatever stands around them: they are their own
 * composition, begin a cluster (combining class 0), and compose with nothing
 * before them. Most of the texts that come have no others. */
static const struct {
	uint32_t first, last;
} surely_nfc[] = {
	{0, 0x2ff},         {0x388, 0x482},           {0x48a, 0x590},
	{0x5d0, 0x5f4},     {0x620, 0x64a},           {0x660, 0x66f},
	{0x671, 0x6d5},     {0x904, 0x939},           {0x93d, 0x94c},
	{0xe01, 0xe37},     {0xe3f, 0xe47},           {0x10a0, 0x10ff},
	{0x1e00, 0x1eff},   {0x2010, 0x205e},         {0x20a0, 0x20c0},
	{0x2100, 0x2125},   {0x2190, 0x2328},         {0x232b, 0x2adb},
	{0x3001, 0x3029},   {0x3030, 0x3096},         {0x30a0, 0x30ff},
	{0x3400, 0x4dbf},   {0x4e00, 0x9fff},         {0xac00, 0xd7a3},
	{0xff01, 0xffdc},   {0xfffd, 0xfffd},         {0x1f000, 0x1faff},
	{0x20000, 0x2a6df}, {UINT32_MAX, UINT32_MAX},
};

static bool is_surely_nfc(uint32_t cp)
{
	size_t i = 0;
	while (surely_nfc[i].last < cp)
		i++;
	return surely_nfc[i].first <= cp;
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

/* Most texts are ASCII without a reference: nothing of it can be broken. */
static bool may_need_mending(struct slice raw)
{
	for (size_t i = 0; i < raw.len; i++)
		if ((unsigned char)raw.data[i] >= 0x80 || raw.data[i] == '&' ||
		    raw.data[i] == '\033')
			return raw.len <= MEND_MAX;
	return false;
}

/* The characters of @raw, of which there are no more than bytes. */
static size_t decode(uint32_t *chars, struct slice raw)
{
	size_t n = 0;
	for (size_t i = 0; i < raw.len;) {
		struct slice rest = slice_from(raw, i);
		struct entity entity;
		if (rest.data[0] == '&' && entity_read(rest, &entity)) {
			chars[n++] = entity.cp[0];
			if (entity.cp[1] != 0)
				chars[n++] = entity.cp[1];
			i += entity.len;
			continue;
		}
		i += utf8_read(rest, &chars[n]);
		/* ftfy mends line by line; a caption has one */
		if (chars[n] == '\n')
			chars[n] = ' ';
		n++;
	}
	return n;
}

static int put_mended(struct cleaning *c, struct slice raw)
{
	struct {
		uint32_t chars[MEND_STACK];
		uint8_t scratch[MEND_STACK * MOJIBAKE_SCRATCH];
	} stack;
	uint32_t *chars = stack.chars;
	uint8_t *scratch = stack.scratch;
	void *heap = NULL;
	if (raw.len > MEND_STACK) {
		heap = malloc(raw.len * (sizeof(*chars) + MOJIBAKE_SCRATCH));
		if (heap == NULL)
			return CAH_ENOMEM;
		chars = heap;
		scratch = (uint8_t *)(chars + raw.len);
	}
	size_t n = mend_text(chars, decode(chars, raw), raw.len, scratch);
	for (size_t i = 0; i < n && !c->out->is_failed; i++)
		put(c, chars[i]);
	free(heap);
	return CAH_OK;
}

int text_clean(struct buf *out, struct slice raw)
{
	buf_reset(out);
	struct cleaning c = {.out = out};
	int rc = CAH_OK;
	if (may_need_mending(raw))
		rc = put_mended(&c, raw);
	else
		for (size_t i = 0; i < raw.len && !out->is_failed;)
			i += put_next(&c, slice_from(raw, i));
	if (rc != CAH_OK || out->is_failed)
		return rc != CAH_OK ? rc : out->code;
	return c.may_compose ? normalise(out) : CAH_OK;
}
