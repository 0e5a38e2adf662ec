/* url_host.h: the host parser and serializer of the WHATWG URL Standard (3.5):
 * names to punycode, IPv4 in all its forms, IPv6. Any thread. */
#ifndef WAT_URL_HOST_H
#define WAT_URL_HOST_H

#include "wat/url_encode.h"

#include <cah/error.h>

/* Writes @host (not empty) as it stands in a URL. Without @is_special (schemes
 * that the standard does not list) it is opaque: checked and percent-encoded
 * only. Errors: CAH_EINVALIDURL, CAH_ENOMEM.
 *
 * Names beyond ASCII are libidn2's: of Unicode 14, and as IDNA2008 has them, so
 * that emoji, other symbols and stray hyphens are refused, which browsers would
 * take. Names that come in punycode are decoded to see whether that is well
 * made and in its normal form (NFKC), not whether the characters in it may
 * stand there: the name servers will say. */
CAH_MUST_CHECK int url_put_host(struct url_put *put, struct slice host,
				bool is_special);

#endif
