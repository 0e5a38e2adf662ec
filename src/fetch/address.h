/* address.h: which addresses may be connected to, and names that are pinned to
 * addresses by the user (as curl's --resolve). Any thread. */
#ifndef FETCH_ADDRESS_H
#define FETCH_ADDRESS_H

#include "base/slice.h"

#include <cah/error.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum {
	ADDRESS_TEXT = INET6_ADDRSTRLEN + 2, /* with brackets and the NUL */
	ADDRESS_BLOCK_TEXT = INET6_ADDRSTRLEN + 4, /* with "/128" */
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* True for addresses of the public internet: none of those that the IANA
 * special-purpose registries (RFC 6890) keep for private, loopback, link-local,
 * shared, documentation, multicast, reserved use; IPv4 inside IPv6 (mapped,
 * 6to4, NAT64) is judged by the IPv4 address. */
bool address_is_public(const union address *address);

/* Writes block @i of those that are not public, as "10.0.0.0/8"; together they
 * hold no address that address_is_public takes, and all others but for IPv4
 * inside of IPv6. False past the last. */
bool address_special_block(char out[ADDRESS_BLOCK_TEXT], size_t i);

/* Reads an address as an URL's host has it: "127.0.0.1", "[::1]". False where
 * it is none (a name, for example). */
bool address_parse(union address *out, struct slice text);

/* Writes it the same way. */
void address_write(char out[ADDRESS_TEXT], const union address *address);

/* The addresses of a look-up, @len bytes in network order: 4 or 16; false for
 * another length. */
bool address_from_bytes(union address *out, const void *bytes, size_t len);

struct pins;

/* Reads @count entries HOST:PORT:ADDR; ADDR may be an IPv6 address in brackets;
 * HOST may be * for all. The caller frees *out.
 * Errors: CAH_EINVALID, CAH_ENOMEM. */
CAH_MUST_CHECK int pins_new(struct pins **out, const char *const *entries,
			    size_t count, struct cah_error *err);
void pins_free(struct pins *pins);

/* The address of @host and @port, NULL where none is pinned or @pins is NULL;
 * text as an URL's host has it ("127.0.0.1", "[::1]"), borrowed. An entry that
 * names the host goes before one for all. */
const char *pins_find(const struct pins *pins, struct slice host, int port);

#endif
