#include "tracker/peer.h"

#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAPPED_BYTES = 12, /* before an IPv4 address that is mapped */
	CLASS_BYTES = 8,   /* of an IPv6 address: its /64 */
	PORT_DIGITS = 5,
};

static const unsigned char mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct peer *peer)
{
	return memcmp(peer->bytes, mapped, MAPPED_BYTES) == 0;
}

static void set_v4(struct peer *out, const struct in_addr *address)
{
	memcpy(out->bytes, mapped, MAPPED_BYTES);
	memcpy(out->bytes + MAPPED_BYTES, address, sizeof(*address));
}

void peer_of_socket(struct peer *out, const struct sockaddr *address)
{
	struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
	if (address != NULL && address->sa_family == AF_INET)
		set_v4(out, &((const struct sockaddr_in *)address)->sin_addr);
	else if (address != NULL && address->sa_family == AF_INET6)
		memcpy(out->bytes,
		       &((const struct sockaddr_in6 *)address)->sin6_addr,
		       PEER_BYTES);
	else
		set_v4(out, &loopback);
}

static bool parse_bare(struct peer *out, struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	if (text.len == 0 || text.len >= sizeof(copy) ||
	    memchr(text.data, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		set_v4(out, &v4);
		return true;
	}
	if (inet_pton(AF_INET6, copy, &v6) != 1)
		return false;
	memcpy(out->bytes, &v6, PEER_BYTES);
	return true;
}

static bool is_port(struct slice text)
{
	if (text.len < 2 || text.len > PORT_DIGITS + 1 || text.data[0] != ':')
		return false;
	for (size_t i = 1; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

bool peer_parse(struct peer *out, struct slice text)
{
	if (text.len == 0)
		return false;
	if (text.data[0] == '[') {
		const char *end = memchr(text.data, ']', text.len);
		if (end == NULL)
			return false;
		size_t len = (size_t)(end - text.data) + 1;
		struct slice rest = slice_from(text, len);
		struct slice inside = {text.data + 1, len - 2};
		return (rest.len == 0 || is_port(rest)) &&
		       memchr(inside.data, ':', inside.len) != NULL &&
		       parse_bare(out, inside);
	}
	const char *colon = memchr(text.data, ':', text.len);
	const char *dot = memchr(text.data, '.', text.len);
	if (colon != NULL && dot != NULL && dot < colon) {
		size_t len = (size_t)(colon - text.data);
		return is_port(slice_from(text, len)) &&
		       parse_bare(out, (struct slice){text.data, len});
	}
	return parse_bare(out, text);
}

static int parse_bits(const char *text, int max)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 3 || text[digits] != '\0')
		return -1;
	int bits = (int)strtol(text, NULL, 10);
	return bits <= max ? bits : -1;
}

int peer_net_parse(struct peer_net *out, const char *text,
		   struct cah_error *err)
{
	size_t len = strcspn(text, "/");
	if (!parse_bare(&out->base, (struct slice){text, len}))
		return cah_fail(err, CAH_EINVALID, "'%s' is not ADDR[/BITS]",
				text);
	/* An IPv4 network that is written as IPv6 has its 96 bits in front. */
	bool has_dots = memchr(text, ':', len) == NULL;
	int max = has_dots ? 32 : PEER_BYTES * 8;
	int bits = text[len] == '/' ? parse_bits(text + len + 1, max) : max;
	if (bits < 0)
		return cah_fail(err, CAH_EINVALID, "'%s': BITS is not 0 to %d",
				text, max);
	out->bits = has_dots ? bits + MAPPED_BYTES * 8 : bits;
	return CAH_OK;
}

static bool is_in_net(const struct peer *peer, const struct peer_net *net)
{
	size_t whole = (size_t)net->bits / 8;
	int rest = net->bits % 8;
	if (memcmp(peer->bytes, net->base.bytes, whole) != 0)
		return false;
	return rest == 0 || ((peer->bytes[whole] ^ net->base.bytes[whole]) >>
			     (8 - rest)) == 0;
}

bool peer_is_in(const struct peer *peer, const struct peer_net *nets,
		size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_in_net(peer, &nets[i]))
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the last item of a list off @list. */
static struct slice take_last(struct slice *list)
{
	size_t start = list->len;
	while (start > 0 && list->data[start - 1] != ',')
		start--;
	struct slice item = slice_from(*list, start);
	list->len = start > 0 ? start - 1 : 0;
	while (item.len > 0 && is_blank(item.data[0]))
		item = slice_from(item, 1);
	while (item.len > 0 && is_blank(item.data[item.len - 1]))
		item.len--;
	return item;
}

struct peer peer_client(const struct peer *peer, struct slice forwarded,
			const struct peer_net *trusted, size_t count)
{
	struct peer client = *peer;
	if (!peer_is_in(peer, trusted, count))
		return client;
	for (int hop = 0; forwarded.len > 0; hop++) {
		struct peer next;
		if (hop == PEER_HOPS_MAX ||
		    !peer_parse(&next, take_last(&forwarded)))
			return *peer;
		client = next;
		if (!peer_is_in(&client, trusted, count))
			return client;
	}
	return client;
}

struct peer peer_class(const struct peer *peer)
{
	struct peer class = *peer;
	if (!is_v4(peer))
		memset(class.bytes + CLASS_BYTES, 0, PEER_BYTES - CLASS_BYTES);
	return class;
}

void peer_write(char out[PEER_TEXT], const struct peer *peer)
{
	static const unsigned char none[PEER_BYTES - CLASS_BYTES];
	char text[INET6_ADDRSTRLEN] = "?";
	if (is_v4(peer)) {
		(void)inet_ntop(AF_INET, peer->bytes + MAPPED_BYTES, text,
				sizeof(text));
		(void)snprintf(out, PEER_TEXT, "%s", text);
		return;
	}
	(void)inet_ntop(AF_INET6, peer->bytes, text, sizeof(text));
	bool is_class =
		memcmp(peer->bytes + CLASS_BYTES, none, sizeof(none)) == 0;
	(void)snprintf(out, PEER_TEXT, "%s%s", text, is_class ? "/64" : "");
}
