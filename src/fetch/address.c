/* The lists follow IANA's registries of special-purpose IPv4 and IPv6 addresses
 * (RFC 6890 and what updates it). Of blocks that are special in part the whole
 * is refused: nobody serves pages from protocol assignments. For IPv6 only
 * 2000::/3, all that is handed out for global unicast, can be public. */
#include "fetch/address.h"

#include "base/fail.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PORT_MAX = 65535,
	PIN_HOST_MAX = 253, /* bytes of a name, RFC 1035 */
};

struct block4 {
	uint32_t base;
	int bits; /* of the prefix */
};

static const struct block4 special4[] = {
	{0x00000000, 8},  /* 0.0.0.0: this network */
	{0x0a000000, 8},  /* 10.0.0.0: private, RFC 1918 */
	{0x64400000, 10}, /* 100.64.0.0: shared, RFC 6598 */
	{0x7f000000, 8},  /* 127.0.0.0: loopback */
	{0xa9fe0000, 16}, /* 169.254.0.0: link-local, RFC 3927 */
	{0xac100000, 12}, /* 172.16.0.0: private */
	{0xc0000000, 24}, /* 192.0.0.0: protocol assignments */
	{0xc0000200, 24}, /* 192.0.2.0: documentation, RFC 5737 */
	{0xc0586300, 24}, /* 192.88.99.0: 6to4 relays, gone with RFC 7526 */
	{0xc0a80000, 16}, /* 192.168.0.0: private */
	{0xc6120000, 15}, /* 198.18.0.0: benchmarks, RFC 2544 */
	{0xc6336400, 24}, /* 198.51.100.0: documentation */
	{0xcb007100, 24}, /* 203.0.113.0: documentation */
	{0xe0000000, 4},  /* 224.0.0.0: multicast */
	{0xf0000000, 4},  /* 240.0.0.0: reserved, and broadcast */
};

struct block6 {
	unsigned char base[16];
	int bits; /* of the prefix */
};

/* Inside of 2000::/3. */
static const struct block6 special6[] = {
	{{0x20, 0x01}, 23},             /* 2001:: protocol assignments */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation, RFC 3849 */
	{{0x3f, 0xff}, 20},             /* documentation, RFC 9637 */
};

static const struct block6 global6 = {{0x20}, 3};

/* Those with an IPv4 address inside, and where. */
struct carrier {
	struct block6 block;
	int at; /* first byte of the IPv4 address */
};

static const struct carrier carriers[] = {
	{{{[10] = 0xff, [11] = 0xff}, 96}, 12}, /* mapped */
	{{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},   /* NAT64, RFC 6052 */
	{{{0x20, 0x02}, 16}, 2},                /* 6to4, RFC 3056 */
};

static bool is_public4(uint32_t a)
{
	for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++)
		if ((a ^ special4[i].base) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

static bool is_inside6(const unsigned char *a, const struct block6 *block)
{
	int whole = block->bits / 8;
	int rest = block->bits % 8;
	if (memcmp(a, block->base, (size_t)whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ block->base[whole]) >> (8 - rest) == 0;
}

static uint32_t read_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static bool is_public6(const unsigned char *a)
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (is_inside6(a, &carriers[i].block))
			return is_public4(read_be32(a + carriers[i].at));
	for (size_t i = 0; i < sizeof(special6) / sizeof(special6[0]); i++)
		if (is_inside6(a, &special6[i]))
			return false;
	return is_inside6(a, &global6);
}

bool address_is_public(const union address *address)
{
	switch (address->any.sa_family) {
	case AF_INET:
		return is_public4(ntohl(address->v4.sin_addr.s_addr));
	case AF_INET6:
		return is_public6(address->v6.sin6_addr.s6_addr);
	default:
		return false;
	}
}

/* All of IPv6 but 2000::/3, and 6to4 whatever it carries. */
static const struct block6 outside6[] = {
	{{0x00}, 3}, {{0x40}, 2}, {{0x80}, 1}, {{0x20, 0x02}, 16}};

static bool write_block6(char out[ADDRESS_BLOCK_TEXT],
			 const struct block6 *block)
{
	char text[INET6_ADDRSTRLEN] = "";
	(void)inet_ntop(AF_INET6, block->base, text, sizeof(text));
	(void)snprintf(out, ADDRESS_BLOCK_TEXT, "%s/%d", text, block->bits);
	return true;
}

bool address_special_block(char out[ADDRESS_BLOCK_TEXT], size_t i)
{
	const size_t count4 = sizeof(special4) / sizeof(special4[0]);
	const size_t count6 = sizeof(special6) / sizeof(special6[0]);
	char text[INET6_ADDRSTRLEN] = "";
	if (i < count4) {
		struct in_addr base = {.s_addr = htonl(special4[i].base)};
		(void)inet_ntop(AF_INET, &base, text, sizeof(text));
		(void)snprintf(out, ADDRESS_BLOCK_TEXT, "%s/%d", text,
			       special4[i].bits);
		return true;
	}
	i -= count4;
	if (i < count6)
		return write_block6(out, &special6[i]);
	i -= count6;
	return i < sizeof(outside6) / sizeof(outside6[0]) &&
	       write_block6(out, &outside6[i]);
}

bool address_from_bytes(union address *out, const void *bytes, size_t len)
{
	memset(out, 0, sizeof(*out));
	switch (len) {
	case 4:
		out->v4.sin_family = AF_INET;
		memcpy(&out->v4.sin_addr, bytes, 4);
		return true;
	case 16:
		out->v6.sin6_family = AF_INET6;
		memcpy(&out->v6.sin6_addr, bytes, 16);
		return true;
	default:
		return false;
	}
}

bool address_parse(union address *out, struct slice text)
{
	char copy[ADDRESS_TEXT];
	unsigned char bytes[16];
	bool is_v6 = text.len >= 2 && text.data[0] == '[' &&
		     text.data[text.len - 1] == ']';
	if (is_v6)
		text = (struct slice){text.data + 1, text.len - 2};
	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (strlen(copy) != text.len ||
	    inet_pton(is_v6 ? AF_INET6 : AF_INET, copy, bytes) != 1)
		return false;
	return address_from_bytes(out, bytes, is_v6 ? 16 : 4);
}

void address_write(char out[ADDRESS_TEXT], const union address *address)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool is_v6 = address->any.sa_family == AF_INET6;
	const void *bytes = is_v6 ? (const void *)&address->v6.sin6_addr
				  : (const void *)&address->v4.sin_addr;
	(void)inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
	(void)snprintf(out, ADDRESS_TEXT, is_v6 ? "[%s]" : "%s", text);
}

struct pin {
	char host[PIN_HOST_MAX + 1];
	int port;
	char address[ADDRESS_TEXT];
};

struct pins {
	size_t count;
	struct pin pins[];
};

/* Decimal digits only: no sign, no blanks, nothing behind. */
static bool parse_port(int *out, struct slice text)
{
	int port = 0;
	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (text.data[i] - '0');
	}
	*out = port;
	return port >= 1 && port <= PORT_MAX;
}

/* Where the host of an entry ends; an IPv6 address in brackets has colons of
 * its own. */
static const char *find_host_end(const char *entry)
{
	if (entry[0] != '[')
		return strchr(entry, ':');
	const char *bracket = strchr(entry, ']');
	return bracket != NULL && bracket[1] == ':' ? bracket + 1 : NULL;
}

static bool parse_pin(struct pin *pin, const char *entry)
{
	const char *host_end = find_host_end(entry);
	if (host_end == NULL)
		return false;
	const char *port_end = strchr(host_end + 1, ':');
	if (port_end == NULL)
		return false;
	size_t host_len = (size_t)(host_end - entry);
	struct slice port = {host_end + 1, (size_t)(port_end - host_end - 1)};
	union address address;
	if (host_len == 0 || host_len > PIN_HOST_MAX ||
	    !parse_port(&pin->port, port) ||
	    !address_parse(&address, slice_of(port_end + 1)))
		return false;
	memcpy(pin->host, entry, host_len);
	address_write(pin->address, &address);
	return true;
}

int pins_new(struct pins **out, const char *const *entries, size_t count,
	     struct cah_error *err)
{
	*out = NULL;
	struct pins *pins =
		calloc(1, sizeof(*pins) + count * sizeof(pins->pins[0]));
	if (pins == NULL)
		return cah_fail(err, CAH_ENOMEM, "pins: out of memory");
	for (size_t i = 0; i < count; i++) {
		if (!parse_pin(&pins->pins[i], entries[i])) {
			free(pins);
			return cah_fail(err, CAH_EINVALID,
					"%s: not HOST:PORT:ADDRESS",
					entries[i]);
		}
	}
	pins->count = count;
	*out = pins;
	return CAH_OK;
}

void pins_free(struct pins *pins)
{
	free(pins);
}

const char *pins_find(const struct pins *pins, struct slice host, int port)
{
	const char *for_all = NULL;
	if (pins == NULL)
		return NULL;
	for (size_t i = 0; i < pins->count; i++) {
		const struct pin *pin = &pins->pins[i];
		if (pin->port != port)
			continue;
		if (slice_equal_nocase(slice_of(pin->host), host))
			return pin->address;
		if (for_all == NULL && strcmp(pin->host, "*") == 0)
			for_all = pin->address;
	}
	return for_all;
}
