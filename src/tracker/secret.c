#include "tracker/secret.h"

#include "base/fail.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static bool digest(unsigned char out[SECRET_DIGEST], struct slice text)
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256,
				text.len > 0 ? text.data : "", text.len,
				out) == 0;
}

int secret_set(struct secret *secret, struct slice text, struct cah_error *err)
{
	secret->is_set = false;
	if (text.len < SECRET_MIN)
		return cah_fail(err, CAH_EINVALID,
				"the organiser's secret has fewer than %d "
				"bytes",
				SECRET_MIN);
	if (!digest(secret->digest, text))
		return cah_fail(err, CAH_EINVALID,
				"the organiser's secret: SHA-256 failed");
	secret->is_set = true;
	return CAH_OK;
}

bool secret_is(const struct secret *secret, struct slice given)
{
	unsigned char other[SECRET_DIGEST];
	return secret->is_set && digest(other, given) &&
	       gnutls_memcmp(secret->digest, other, SECRET_DIGEST) == 0;
}
