#include "wat/entity.h"

#include "base/ascii.h"
#include "base/utf8.h"

enum {
	CP_MAX = 0x10ffff,
};

struct name {
	const char *text; /* without '&', with the ';' that belongs to it */
	uint8_t len;
	uint32_t cp[2];
};

/* Sorted by the bytes of the names; made by tools/make_entities.py. */
static const struct name names[] = {
#include "entities.inc"
};

/* What pages mean by 0x80 to 0x9f: windows-1252 (13.2.5.80); 0: itself. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
	0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

static bool is_alnum(char c)
{
	return ascii_is_digit(c) || ascii_is_letter(c);
}

uint32_t entity_windows_1252(uint32_t cp)
{
	if (cp >= 0x80 && cp <= 0x9f && windows_1252[cp - 0x80] != 0)
		return windows_1252[cp - 0x80];
	return cp;
}

static uint32_t replaced(uint32_t cp)
{
	if (cp == 0 || cp > CP_MAX || (cp >= 0xd800 && cp <= 0xdfff))
		return UTF8_REPLACEMENT;
	return entity_windows_1252(cp);
}

/* @s begins with "&#". */
static bool read_number(struct slice s, struct entity *out)
{
	size_t i = 2;
	int base = 10;
	if (i < s.len && (s.data[i] | 0x20) == 'x') {
		base = 16;
		i++;
	}
	size_t start = i;
	uint32_t cp = 0;
	for (; i < s.len; i++) {
		int value = ascii_hex_value(s.data[i]);
		if (value < 0 || value >= base)
			break;
		if (cp <= CP_MAX)
			cp = cp * (uint32_t)base + (uint32_t)value;
	}
	if (i == start)
		return false;
	if (i < s.len && s.data[i] == ';')
		i++;
	*out = (struct entity){{replaced(cp), 0}, i};
	return true;
}

/* The first row at or after @low whose byte at @depth is @byte or more, among
 * the rows below @high, which are the same before @depth. */
static size_t lower_bound(size_t low, size_t high, size_t depth, int byte)
{
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		/* behind the shorter name's end stands its NUL */
		if (names[mid].text[depth] < byte)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The longest name that @s begins with, NULL where none does. */
static const struct name *longest_name(struct slice s)
{
	const struct name *best = NULL;
	size_t low = 0;
	size_t high = sizeof(names) / sizeof(names[0]);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		if (!is_alnum(c) && c != ';')
			break;
		low = lower_bound(low, high, i, c);
		high = lower_bound(low, high, i, c + 1);
		if (low == high)
			break;
		/* the shortest name of those that begin alike is the first */
		if (names[low].len == i + 1)
			best = &names[low];
	}
	return best;
}

bool entity_read(struct slice s, struct entity *out)
{
	if (s.len < 3 || s.data[0] != '&')
		return false;
	if (s.data[1] == '#')
		return read_number(s, out);
	const struct name *name = longest_name(slice_from(s, 1));
	if (name == NULL)
		return false;
	size_t len = 1 + (size_t)name->len;
	/* "?a=1&copy=2" is a URL's query, not a copyright sign */
	if (name->text[name->len - 1] != ';' && len < s.len &&
	    (s.data[len] == '=' || is_alnum(s.data[len])))
		return false;
	*out = (struct entity){{name->cp[0], name->cp[1]}, len};
	return true;
}
