/* SHA-256 of rows: each value after its length, so that no two rows run into
 * one another. */
#include "gather/plan.h"

#include "base/fail.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct digest {
	EVP_MD_CTX *context;
};

int digest_new(struct digest **out, struct cah_error *err)
{
	struct digest *digest = calloc(1, sizeof(*digest));
	*out = digest;
	if (digest != NULL)
		digest->context = EVP_MD_CTX_new();
	if (digest == NULL || digest->context == NULL ||
	    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		digest_free(digest);
		*out = NULL;
		return cah_fail(err, CAH_ENOMEM, "digest: out of memory");
	}
	return CAH_OK;
}

void digest_free(struct digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

static void add(struct digest *digest, const void *data, size_t len)
{
	if (len > 0)
		(void)EVP_DigestUpdate(digest->context, data, len);
}

static void add_bytes(struct digest *digest, struct slice s)
{
	uint64_t len = s.len;
	add(digest, &len, sizeof(len));
	add(digest, s.data, s.len);
}

void digest_add(struct digest *digest, const struct list_row *row,
		const struct sample_columns *columns)
{
	add_bytes(digest, row->url);
	add_bytes(digest, row->text);
	add_bytes(digest, row->hash);
	for (size_t i = 0; i < columns->count; i++) {
		const struct parquet_value *value = &row->kept[i];
		struct parquet_value plain = {.is_null = value->is_null,
					      .number = value->number,
					      .real = value->real};
		add(digest, &plain.is_null, sizeof(plain.is_null));
		add(digest, &plain.number, sizeof(plain.number));
		add(digest, &plain.real, sizeof(plain.real));
		add_bytes(digest, (struct slice){value->text, value->text_len});
	}
}

void digest_finish(struct digest *digest, char out[PLAN_DIGEST_MAX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[EVP_MAX_MD_SIZE] = {0};
	unsigned int len = 0;
	(void)EVP_DigestFinal_ex(digest->context, bytes, &len);
	for (unsigned int i = 0; i < len && i * 2 + 2 < PLAN_DIGEST_MAX; i++) {
		out[i * 2] = hex[bytes[i] >> 4];
		out[i * 2 + 1] = hex[bytes[i] & 15];
	}
	out[len * 2 < PLAN_DIGEST_MAX ? len * 2 : PLAN_DIGEST_MAX - 1] = '\0';
	(void)EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL);
}
