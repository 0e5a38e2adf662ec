/* tls.h: the certificate that connections are met with (RFC 8446). Read from
 * files at the start and again when the organiser has renewed them. */
#ifndef TRACKER_TLS_H
#define TRACKER_TLS_H

#include "base/log.h"

#include <cah/error.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

enum {
	TLS_FILE_MAX = 256 * 1024, /* bytes of a certificate or key file */
	TLS_CHAIN_MAX = 16,        /* certificates in one file */
};

/* What libmicrohttpd hands to gnutls_priority_init: TLS 1.2 and newer. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct tls;

/* Reads a certificate (PEM, with those that it is signed by after it) and its
 * key (PEM, without a password). One at a time in a process, for the library's
 * callback has no argument. The caller frees *out after the server has ended.
 * Errors: CAH_EINVALID (what is in them, and that they belong together),
 * CAH_ENOTFOUND, CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int tls_new(struct tls **out, const char *cert_file,
			   const char *key_file, struct log *log,
			   struct cah_error *err);

/* Reads them again, for connections that begin from now on. On failure the
 * former ones stay. One thread. */
CAH_MUST_CHECK int tls_reload(struct tls *tls, struct cah_error *err);

void tls_free(struct tls *tls);

/* A gnutls_certificate_retrieve_function2. The parameters are the library's. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names,
		 int ca_count, const gnutls_pk_algorithm_t *algorithms,
		 int algorithm_count, gnutls_pcert_st **certs,
		 unsigned *cert_count, gnutls_privkey_t *key);

#endif
