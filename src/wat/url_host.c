#include "wat/url_host.h"

#include "base/ascii.h"
#include "wat/punycode.h"
#include "wat/url.h"

#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <uninorm.h>

enum {
	PIECES = 8,    /* 16-bit pieces of an IPv6 address */
	PARTS_MAX = 4, /* numbers of an IPv4 address */
	IPV4_LEN_MAX = 15,
	IPV6_LEN_MAX = 39,
	NFKC_MAX = 2 * PUNYCODE_MAX, /* characters; see is_good_punycode */
};

/* "Forbidden domain code points"; the space stands for those below it. */
static const char forbidden[] = " #/:<>?@[\\]^|%\x7f";

static bool is_forbidden(char c)
{
	return (uint8_t)c <= ' ' || strchr(forbidden, c) != NULL;
}

/* ---- IPv4 ---- */

/* The number of an address's part: decimal, 0x... or 0... octal; more than 2^32
 * is 2^32. False where it is none. */
static bool ipv4_number(struct slice s, uint64_t *out)
{
	unsigned int base = 10;
	if (s.len == 0)
		return false;
	if (s.len >= 2 && s.data[0] == '0' && (s.data[1] | 0x20) == 'x') {
		base = 16;
		s = slice_from(s, 2);
	} else if (s.len >= 2 && s.data[0] == '0') {
		base = 8;
		s = slice_from(s, 1);
	}
	uint64_t value = 0;
	for (size_t i = 0; i < s.len; i++) {
		int digit = ascii_hex_value(s.data[i]);
		if (digit < 0 || (unsigned int)digit >= base)
			return false;
		value = value * base + (unsigned int)digit;
		if (value > UINT32_MAX)
			value = (uint64_t)UINT32_MAX + 1;
	}
	*out = value;
	return true;
}

/* @host without the one dot that may end a name. */
static struct slice without_dot(struct slice host)
{
	if (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	return host;
}

/* "Ends in a number": such a name is an IPv4 address or nothing. */
static bool ends_in_number(struct slice host)
{
	host = without_dot(host);
	size_t start = host.len;
	while (start > 0 && host.data[start - 1] != '.')
		start--;
	struct slice last = slice_from(host, start);
	if (last.len == 0 || !ascii_is_digit(last.data[0]))
		return false;
	size_t digits = 0;
	while (digits < last.len && ascii_is_digit(last.data[digits]))
		digits++;
	uint64_t value;
	return digits == last.len || ipv4_number(last, &value);
}

static int put_ipv4(struct url_put *put, struct slice host)
{
	host = without_dot(host);
	uint64_t address = 0;
	for (int part = 0; part < PARTS_MAX; part++) {
		size_t end = 0;
		while (end < host.len && host.data[end] != '.')
			end++;
		uint64_t value;
		if (!ipv4_number((struct slice){host.data, end}, &value))
			return CAH_EINVALIDURL;
		if (end == host.len) {
			/* the last one fills all bytes that are left */
			int shift = 8 * (PARTS_MAX - part);
			if (value >> shift != 0)
				return CAH_EINVALIDURL;
			address |= value;
			char text[IPV4_LEN_MAX + 1];
			int len = snprintf(text, sizeof(text), "%u.%u.%u.%u",
					   (unsigned int)(address >> 24 & 255),
					   (unsigned int)(address >> 16 & 255),
					   (unsigned int)(address >> 8 & 255),
					   (unsigned int)(address & 255));
			url_put_slice(put, (struct slice){text, (size_t)len});
			return CAH_OK;
		}
		if (value > 255)
			return CAH_EINVALIDURL;
		address |= value << (8 * (PARTS_MAX - 1 - part));
		host = slice_from(host, end + 1);
	}
	return CAH_EINVALIDURL;
}

/* ---- IPv6 ---- */

struct ipv6 {
	uint16_t piece[PIECES];
	int count;
	int gap; /* piece before which "::" stands, -1: nowhere */
};

/* The dotted tail of "::ffff:1.2.3.4": strict, unlike an IPv4 host. */
static bool read_ipv4_tail(struct slice s, struct ipv6 *ip)
{
	if (ip->count > PIECES - 2)
		return false;
	uint32_t address = 0;
	size_t i = 0;
	for (int part = 0; part < PARTS_MAX; part++) {
		if (part > 0 && (i == s.len || s.data[i++] != '.'))
			return false;
		size_t start = i;
		uint32_t value = 0;
		for (; i < s.len && ascii_is_digit(s.data[i]); i++) {
			if (i > start && value == 0)
				return false;
			value = value * 10 + (uint32_t)(s.data[i] - '0');
			if (value > 255)
				return false;
		}
		if (i == start)
			return false;
		address = address << 8 | value;
	}
	ip->piece[ip->count++] = (uint16_t)(address >> 16);
	ip->piece[ip->count++] = (uint16_t)address;
	return i == s.len;
}

/* Reads one piece, or the dotted tail, at s[*i]. */
static bool read_piece(struct slice s, size_t *i, struct ipv6 *ip)
{
	size_t start = *i;
	uint32_t value = 0;
	while (*i < s.len && *i - start < 4 && ascii_hex_value(s.data[*i]) >= 0)
		value = value << 4 | (uint32_t)ascii_hex_value(s.data[(*i)++]);
	if (*i < s.len && s.data[*i] == '.' && *i > start) {
		*i = s.len;
		return read_ipv4_tail(slice_from(s, start), ip);
	}
	if (*i == start)
		return false;
	ip->piece[ip->count++] = (uint16_t)value;
	return true;
}

/* The pieces in the order in which they stand, then those behind the gap moved
 * to where they count from the end. */
static bool read_ipv6(struct slice s, struct ipv6 *ip)
{
	size_t i = 0;
	if (s.len >= 2 && s.data[0] == ':' && s.data[1] == ':') {
		ip->gap = 0;
		i = 2;
	}
	while (i < s.len) {
		if (ip->count == PIECES || !read_piece(s, &i, ip))
			return false;
		if (i == s.len)
			break;
		if (s.data[i++] != ':' || i == s.len)
			return false;
		if (s.data[i] == ':') {
			if (ip->gap >= 0)
				return false;
			ip->gap = ip->count;
			i++;
		}
	}
	if (ip->gap < 0)
		return ip->count == PIECES;
	/* "::" stands for one piece at least */
	if (ip->count == PIECES)
		return false;
	/* what was read behind the gap belongs at the end */
	int tail = ip->count - ip->gap;
	for (int k = 1; k <= tail; k++) {
		ip->piece[PIECES - k] = ip->piece[ip->count - k];
		if (PIECES - k != ip->count - k)
			ip->piece[ip->count - k] = 0;
	}
	return true;
}

/* What "::" is written for (RFC 5952, 4.2; the standard's IPv6 serializer): the
 * first of the longest runs of zero pieces, of two at least; PIECES where
 * there is none. *len is its length. */
static int zero_run(const struct ipv6 *ip, int *len)
{
	int best = PIECES;
	*len = 1;
	for (int i = 0; i < PIECES; i++) {
		int run = 0;
		while (i + run < PIECES && ip->piece[i + run] == 0)
			run++;
		if (run > *len) {
			best = i;
			*len = run;
		}
		i += run;
	}
	return best;
}

static int put_ipv6(struct url_put *put, struct slice host)
{
	struct ipv6 ip = {.gap = -1};
	if (host.len < 2 || host.data[host.len - 1] != ']' ||
	    !read_ipv6((struct slice){host.data + 1, host.len - 2}, &ip))
		return CAH_EINVALIDURL;
	char text[IPV6_LEN_MAX + 2];
	int len = 0;
	int zeros;
	int gap = zero_run(&ip, &zeros);
	for (int i = 0; i < PIECES; i++) {
		if (i == gap) {
			len += snprintf(text + len, sizeof(text) - (size_t)len,
					i == 0 ? "::" : ":");
			i += zeros - 1;
			continue;
		}
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				i < PIECES - 1 ? "%x:" : "%x", ip.piece[i]);
	}
	url_put_byte(put, '[');
	url_put_slice(put, (struct slice){text, (size_t)len});
	url_put_byte(put, ']');
	return CAH_OK;
}

/* ---- names ---- */

/* The host of a scheme that nobody knows: kept as it is, for it may be no name
 * at all. */
static int put_opaque(struct url_put *put, struct slice host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = host.data[i];
		/* other controls and '%' are forbidden in domains only */
		bool is_allowed = c == '%' || c == 0x7f ||
				  (c > 0 && c < ' ' && c != '\t' && c != '\n' &&
				   c != '\r');
		if (is_forbidden(c) && !is_allowed)
			return CAH_EINVALIDURL;
	}
	url_put_encoded(put, host, URL_SET_C0);
	return CAH_OK;
}

/* A name that is written as it is: the fast way of nearly all hosts. */
static bool is_plain(struct slice host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = host.data[i];
		bool is_fine = (c >= 'a' && c <= 'z') || ascii_is_digit(c) ||
			       c == '-' || c == '.' || c == '_';
		if (!is_fine)
			return false;
	}
	return true;
}

/* Percent-decodes @host into @out, in lower case as far as it is ASCII; false
 * where it has a NUL. *is_ascii says whether it is ASCII altogether. */
static bool decode(char *out, struct slice host, bool *is_ascii)
{
	*is_ascii = true;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.data[i];
		if (c == '%' && i + 2 < host.len &&
		    ascii_hex_value(host.data[i + 1]) >= 0 &&
		    ascii_hex_value(host.data[i + 2]) >= 0) {
			c = (char)(ascii_hex_value(host.data[i + 1]) << 4 |
				   ascii_hex_value(host.data[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return false;
		if ((c & 0x80) != 0)
			*is_ascii = false;
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		*out++ = c;
	}
	*out = '\0';
	return true;
}

/* Whether @part, behind its "xn--", is what its characters are written as: "㉓"
 * is not, for it is the same as "23" (UTS 46, 4.1). */
static bool is_good_punycode(struct slice part)
{
	uint32_t cp[PUNYCODE_MAX];
	uint32_t form[NFKC_MAX];
	size_t form_len = NFKC_MAX;
	if (part.len > PUNYCODE_MAX)
		return true;
	size_t len = punycode_decode(cp, part);
	if (len == 0)
		return false;
	/* More than there is room for comes back in memory of its own. */
	uint32_t *same = u32_normalize(UNINORM_NFKC, cp, len, form, &form_len);
	bool is_same = same != NULL && form_len == len &&
		       memcmp(same, cp, len * sizeof(cp[0])) == 0;
	if (same != form)
		free(same);
	return is_same;
}

/* Each part of @domain that says it is punycode. */
static bool has_good_punycode(struct slice domain)
{
	while (domain.len > 0) {
		size_t end = 0;
		while (end < domain.len && domain.data[end] != '.')
			end++;
		struct slice part = {domain.data, end};
		if (slice_starts(part, SLICE("xn--")) &&
		    !is_good_punycode(slice_from(part, 4)))
			return false;
		domain = slice_from(domain, end < domain.len ? end + 1 : end);
	}
	return true;
}

/* The checks and the form that all names end with. */
static int put_domain(struct url_put *put, struct slice domain)
{
	if (domain.len == 0)
		return CAH_EINVALIDURL;
	for (size_t i = 0; i < domain.len; i++)
		if (is_forbidden(domain.data[i]))
			return CAH_EINVALIDURL;
	if (ends_in_number(domain))
		return put_ipv4(put, domain);
	if (!has_good_punycode(domain))
		return CAH_EINVALIDURL;
	url_put_slice(put, domain);
	return CAH_OK;
}

/* "Domain to ASCII" with the standard's settings (UTS 46, nontransitional): the
 * checks come after it, for it may make dots and digits of other characters. */
static int put_name(struct url_put *put, struct slice host)
{
	char name[URL_MAX + 1];
	bool is_ascii;
	if (host.len > URL_MAX) {
		put->is_full = true;
		return CAH_OK;
	}
	if (!decode(name, host, &is_ascii))
		return CAH_EINVALIDURL;
	if (is_ascii)
		return put_domain(put, slice_of(name));
	char *ascii = NULL;
	int rc = idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK)
		return rc == IDN2_MALLOC ? CAH_ENOMEM : CAH_EINVALIDURL;
	rc = put_domain(put, slice_of(ascii));
	idn2_free(ascii);
	return rc;
}

int url_put_host(struct url_put *put, struct slice host, bool is_special)
{
	if (host.data[0] == '[')
		return put_ipv6(put, host);
	if (!is_special)
		return put_opaque(put, host);
	if (is_plain(host))
		return put_domain(put, host);
	return put_name(put, host);
}
