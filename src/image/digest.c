#include "image/digest.h"

#include <openssl/evp.h>

static const char *const names[] = {
	[IMAGE_DIGEST_NONE] = "",
	[IMAGE_DIGEST_MD5] = "md5",
	[IMAGE_DIGEST_SHA256] = "sha256",
	[IMAGE_DIGEST_SHA512] = "sha512",
};

const char *image_digest_name(enum image_digest digest)
{
	return names[digest];
}

enum image_digest image_digest_of(const char *name)
{
	int i = 0;
	while (i < IMAGE_DIGEST_COUNT && strcmp(name, names[i]) != 0)
		i++;
	return (enum image_digest)i;
}

static const EVP_MD *method_of(enum image_digest digest)
{
	switch (digest) {
	case IMAGE_DIGEST_MD5:
		return EVP_md5();
	case IMAGE_DIGEST_SHA256:
		return EVP_sha256();
	case IMAGE_DIGEST_SHA512:
		return EVP_sha512();
	case IMAGE_DIGEST_NONE:
	case IMAGE_DIGEST_COUNT:
		break;
	}
	return NULL;
}

int image_digest(char out[IMAGE_DIGEST_ROOM], enum image_digest digest,
		 struct slice bytes)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	const EVP_MD *method = method_of(digest);
	out[0] = '\0';
	if (method == NULL)
		return CAH_OK;
	if (!EVP_Digest(bytes.data, bytes.len, sum, &len, method, NULL))
		return CAH_ENOMEM;
	for (unsigned int i = 0; i < len; i++) {
		*out++ = digits[sum[i] >> 4];
		*out++ = digits[sum[i] & 15];
	}
	*out = '\0';
	return CAH_OK;
}
