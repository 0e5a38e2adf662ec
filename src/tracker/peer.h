/* peer.h: whom a request is counted for. An address of the internet is one
 * client: an IPv4 address, or the /64 that an IPv6 address lies in, for a
 * /64 is the least that a home is given (RFC 6177). Any thread. */
#ifndef TRACKER_PEER_H
#define TRACKER_PEER_H

#include "base/slice.h"

#include <arpa/inet.h>
#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	PEER_BYTES = 16,
	PEER_TEXT = INET6_ADDRSTRLEN + 3, /* with "/64" and the NUL */
	PEER_HOPS_MAX = 32, /* proxies one after another; more are a forgery */
};

/* IPv6 in network order; IPv4 as IPv4-mapped (RFC 4291, section 2.5.5.2). */
struct peer {
	unsigned char bytes[PEER_BYTES];
};

/* Addresses whose first @bits are those of @base. */
struct peer_net {
	struct peer base;
	int bits; /* of PEER_BYTES * 8 */
};

/* A socket's other end; what is no internet address counts as 127.0.0.1. */
void peer_of_socket(struct peer *out, const struct sockaddr *address);

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]", the first and the last with
 * ":PORT" as well. False where it is none of these. */
bool peer_parse(struct peer *out, struct slice text);

/* "192.0.2.0/24", "2001:db8::/32"; without "/BITS" one address.
 * Errors: CAH_EINVALID. */
CAH_MUST_CHECK int peer_net_parse(struct peer_net *out, const char *text,
				  struct cah_error *err);

bool peer_is_in(const struct peer *peer, const struct peer_net *nets,
		size_t count);

/* The client behind @peer: where @peer is a trusted proxy, the last address of
 * X-Forwarded-For (@forwarded: its lines in order, joined by commas) that is
 * not a trusted proxy itself, for what stands before that anybody can have
 * written. A list that cannot be read is not believed: then it is @peer.
 *
 * RFC 7239's Forwarded is not read: a proxy that sets one of the two fields
 * hands the other on as its client wrote it. */
struct peer peer_client(const struct peer *peer, struct slice forwarded,
			const struct peer_net *trusted, size_t count);

/* What counts as one: IPv6 without its lower half. */
struct peer peer_class(const struct peer *peer);

/* "192.0.2.1" or, of a class, "2001:db8::/64". */
void peer_write(char out[PEER_TEXT], const struct peer *peer);

#endif
