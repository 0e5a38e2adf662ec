#include "tracker/tls.h"

#include "base/fail.h"
#include "base/file.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEY_ID_MAX = 64, /* bytes of a public key's digest */
};

/* A handshake may be at any of them, so they stay until the end: they are read
 * anew a few times a year. */
struct pair {
	struct pair *former;
	gnutls_pcert_st certs[TLS_CHAIN_MAX];
	unsigned cert_count;
	gnutls_privkey_t key;
};

struct tls {
	char *cert_file;
	char *key_file;
	struct log *log;
	_Atomic(struct pair *) pair;
};

static _Atomic(struct tls *) serving;

static void free_pair(struct pair *pair)
{
	for (unsigned i = 0; i < pair->cert_count; i++)
		gnutls_pcert_deinit(&pair->certs[i]);
	if (pair->key != NULL)
		gnutls_privkey_deinit(pair->key);
	free(pair);
}

static int fail_tls(struct cah_error *err, const char *path, int why)
{
	return cah_fail(err, CAH_EINVALID, "%s: %s", path,
			gnutls_strerror(why));
}

static int load_certs(struct pair *pair, const char *path,
		      struct cah_error *err)
{
	struct buf text;
	buf_init(&text, TLS_FILE_MAX);
	int rc = file_read(&text, path, err);
	if (rc == CAH_OK) {
		const gnutls_datum_t pem = {(unsigned char *)text.data,
					    (unsigned)text.len};
		unsigned count = TLS_CHAIN_MAX;
		int why = gnutls_pcert_list_import_x509_raw(
			pair->certs, &count, &pem, GNUTLS_X509_FMT_PEM, 0);
		if (why != 0)
			rc = fail_tls(err, path, why);
		else if (count == 0)
			rc = cah_fail(err, CAH_EINVALID, "%s: no certificate",
				      path);
		else
			pair->cert_count = count;
	}
	buf_fini(&text);
	return rc;
}

static int load_key(struct pair *pair, const char *path, struct cah_error *err)
{
	struct buf text;
	buf_init(&text, TLS_FILE_MAX);
	int rc = file_read(&text, path, err);
	if (rc == CAH_OK) {
		const gnutls_datum_t pem = {(unsigned char *)text.data,
					    (unsigned)text.len};
		int why = gnutls_privkey_init(&pair->key);
		if (why == 0)
			why = gnutls_privkey_import_x509_raw(
				pair->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
		if (why != 0)
			rc = fail_tls(err, path, why);
		gnutls_memset(text.data, 0, text.len);
	}
	buf_fini(&text);
	return rc;
}

static int check_pair(const struct pair *pair, const struct tls *tls,
		      struct cah_error *err)
{
	unsigned char of_cert[KEY_ID_MAX];
	unsigned char of_key[KEY_ID_MAX];
	size_t cert_len = sizeof(of_cert);
	size_t key_len = sizeof(of_key);
	gnutls_pubkey_t public;
	int why = gnutls_pubkey_init(&public);
	if (why != 0)
		return fail_tls(err, tls->key_file, why);
	why = gnutls_pubkey_import_privkey(public, pair->key, 0, 0);
	if (why == 0)
		why = gnutls_pubkey_get_key_id(public, 0, of_key, &key_len);
	if (why == 0)
		why = gnutls_pubkey_get_key_id(pair->certs[0].pubkey, 0,
					       of_cert, &cert_len);
	gnutls_pubkey_deinit(public);
	if (why != 0)
		return fail_tls(err, tls->key_file, why);
	if (cert_len != key_len || memcmp(of_cert, of_key, key_len) != 0)
		return cah_fail(err, CAH_EINVALID,
				"%s is not the key of the certificate in %s",
				tls->key_file, tls->cert_file);
	return CAH_OK;
}

int tls_reload(struct tls *tls, struct cah_error *err)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	if (pair == NULL)
		return cah_fail(err, CAH_ENOMEM, "TLS");
	int rc = load_certs(pair, tls->cert_file, err);
	if (rc == CAH_OK)
		rc = load_key(pair, tls->key_file, err);
	if (rc == CAH_OK)
		rc = check_pair(pair, tls, err);
	if (rc != CAH_OK) {
		free_pair(pair);
		return rc;
	}
	if (file_is_for_all(tls->key_file))
		log_warn(tls->log, "%s can be read by all users of the machine",
			 tls->key_file);
	pair->former = tls->pair;
	tls->pair = pair;
	return CAH_OK;
}

int tls_new(struct tls **out, const char *cert_file, const char *key_file,
	    struct log *log, struct cah_error *err)
{
	*out = NULL;
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return cah_fail(err, CAH_ENOMEM, "TLS");
	tls->log = log;
	tls->cert_file = strdup(cert_file);
	tls->key_file = strdup(key_file);
	int rc = tls->cert_file != NULL && tls->key_file != NULL
			 ? tls_reload(tls, err)
			 : cah_fail(err, CAH_ENOMEM, "TLS");
	struct tls *none = NULL;
	if (rc == CAH_OK &&
	    !atomic_compare_exchange_strong(&serving, &none, tls))
		rc = cah_fail(err, CAH_EINVALID,
			      "another tracker of this program has TLS");
	if (rc != CAH_OK) {
		tls_free(tls);
		return rc;
	}
	*out = tls;
	return CAH_OK;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	struct tls *mine = tls;
	(void)atomic_compare_exchange_strong(&serving, &mine, NULL);
	struct pair *pair = tls->pair;
	while (pair != NULL) {
		struct pair *former = pair->former;
		free_pair(pair);
		pair = former;
	}
	free(tls->cert_file);
	free(tls->key_file);
	free(tls);
}

/* NOLINTNEXTLINE(readability-function-size) */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names,
		 int ca_count, const gnutls_pk_algorithm_t *algorithms,
		 int algorithm_count, gnutls_pcert_st **certs,
		 unsigned *cert_count, gnutls_privkey_t *key)
{
	(void)session;
	(void)ca_names;
	(void)ca_count;
	(void)algorithms;
	(void)algorithm_count;
	struct tls *tls = serving;
	if (tls == NULL)
		return -1;
	struct pair *pair = tls->pair;
	*certs = pair->certs;
	*cert_count = pair->cert_count;
	*key = pair->key;
	return 0;
}
