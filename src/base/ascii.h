/* ascii.h: characters of ASCII, whatever the locale says. Any thread. */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include <stdbool.h>

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'z';
}

/* The value of a hexadecimal digit, -1 where @c is none. */
static inline int ascii_hex_value(char c)
{
	char lower = (char)(c | 0x20);
	if (ascii_is_digit(c))
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
