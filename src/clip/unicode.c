/* Debian 12's libunistring knows Unicode 14; the tables here add the letters
 * and numbers of Unicode 15 and 16 (UCD, DerivedGeneralCategory.txt) and the
 * lower-case letters up to Unicode 17 (UnicodeData.txt), which is what the
 * `tokenizers` library goes by. */
#include "clip/unicode.h"

#include <stddef.h>
#include <unicase.h>
#include <unictype.h>

enum {
	FIRST_NEWER = 0x1c89, /* below it Unicode 14 says all */
};

struct range {
	uint32_t first;
	uint32_t last;
};

static const struct range newer_letters[] = {
	{0x1c89, 0x1c8a},   {0xa7cb, 0xa7cd},   {0xa7da, 0xa7dc},
	{0x105c0, 0x105f3}, {0x10d4a, 0x10d65}, {0x10d6f, 0x10d85},
	{0x10ec2, 0x10ec4}, {0x1123f, 0x11240}, {0x11380, 0x11389},
	{0x1138b, 0x1138b}, {0x1138e, 0x1138e}, {0x11390, 0x113b5},
	{0x113b7, 0x113b7}, {0x113d1, 0x113d1}, {0x113d3, 0x113d3},
	{0x11bc0, 0x11be0}, {0x11f02, 0x11f02}, {0x11f04, 0x11f10},
	{0x11f12, 0x11f33}, {0x1342f, 0x1342f}, {0x13441, 0x13446},
	{0x13460, 0x143fa}, {0x16100, 0x1611d}, {0x16d40, 0x16d6c},
	{0x18cff, 0x18cff}, {0x1b132, 0x1b132}, {0x1b155, 0x1b155},
	{0x1df25, 0x1df2a}, {0x1e030, 0x1e06d}, {0x1e4d0, 0x1e4eb},
	{0x1e5d0, 0x1e5ed}, {0x1e5f0, 0x1e5f0}, {0x2b739, 0x2b739},
	{0x2ebf0, 0x2ee5d}, {0x31350, 0x323af},
};

static const struct range newer_numbers[] = {
	{0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9},
	{0x11f50, 0x11f59}, {0x16130, 0x16139}, {0x16d70, 0x16d79},
	{0x1ccf0, 0x1ccf9}, {0x1d2c0, 0x1d2d3}, {0x1e4f0, 0x1e4f9},
	{0x1e5f1, 0x1e5fa},
};

struct shift {
	struct range upper;
	uint32_t lower; /* of upper.first; the others follow */
};

static const struct shift newer_lower[] = {
	{{0x1c89, 0x1c89}, 0x1c8a},    {{0xa7cb, 0xa7cb}, 0x264},
	{{0xa7cc, 0xa7cc}, 0xa7cd},    {{0xa7ce, 0xa7ce}, 0xa7cf},
	{{0xa7d2, 0xa7d2}, 0xa7d3},    {{0xa7d4, 0xa7d4}, 0xa7d5},
	{{0xa7da, 0xa7da}, 0xa7db},    {{0xa7dc, 0xa7dc}, 0x19b},
	{{0x10d50, 0x10d65}, 0x10d70}, {{0x16ea0, 0x16eb8}, 0x16ebb},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count && ranges[i].first <= c; i++)
		if (c <= ranges[i].last)
			return true;
	return false;
}

static enum unicode_class ascii_class(uint32_t c)
{
	if (c == ' ' || (c >= '\t' && c <= '\r'))
		return UNICODE_SPACE;
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return UNICODE_LETTER;
	if (c >= '0' && c <= '9')
		return UNICODE_NUMBER;
	return UNICODE_OTHER;
}

enum unicode_class unicode_class(uint32_t c)
{
	if (c < 0x80)
		return ascii_class(c);
	if (uc_is_property_white_space(c))
		return UNICODE_SPACE;
	if (uc_is_general_category(c, UC_LETTER))
		return UNICODE_LETTER;
	if (uc_is_general_category(c, UC_NUMBER))
		return UNICODE_NUMBER;
	if (c >= FIRST_NEWER && is_in(c, newer_letters, COUNT(newer_letters)))
		return UNICODE_LETTER;
	if (c >= FIRST_NEWER && is_in(c, newer_numbers, COUNT(newer_numbers)))
		return UNICODE_NUMBER;
	return UNICODE_OTHER;
}

uint32_t unicode_lower(uint32_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	for (size_t i = 0; c >= FIRST_NEWER && i < COUNT(newer_lower); i++)
		if (is_in(c, &newer_lower[i].upper, 1))
			return newer_lower[i].lower + c -
			       newer_lower[i].upper.first;
	return uc_tolower(c);
}

bool unicode_is_cased(uint32_t c)
{
	return uc_is_property_cased(c);
}

bool unicode_is_case_ignorable(uint32_t c)
{
	return uc_is_property_case_ignorable(c);
}
