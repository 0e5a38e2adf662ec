/* The NPY format, version 1.0 (numpy.lib.format's documentation): a magic
 * string, the length of a header, the header as a Python literal, padded with
 * spaces so that the numbers begin at a multiple of 64. The shape is known at
 * the end only, so the header gets a fixed length and is written twice. */
#include "dataset/npy.h"

#include "base/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	HEADER_LEN = 128,       /* bytes; holds numbers of any length */
	MAGIC_LEN = 10,         /* bytes: the magic, version and length */
	BUFFER_LEN = 64 * 1024, /* bytes, at least one row */
};

struct npy {
	struct file *file;
	int dimension;
	int64_t rows;
	size_t used;
	size_t room;
	uint8_t buffer[];
};

uint16_t npy_half(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof(bits));
	uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
	bits &= 0x7fffffff;
	if (bits > 0x7f800000)
		return sign | 0x7e00; /* not a number */
	if (bits >= 0x477ff000)
		return sign | 0x7c00; /* infinite from 65,520 on */
	uint32_t exponent = bits >> 23;
	uint32_t mantissa = bits & 0x7fffff;
	uint32_t drop = 13; /* bits */
	uint32_t half;
	if (exponent > 112) {
		/* Rounding up may carry into the exponent, as it should. */
		half = (exponent - 112) << 10 | mantissa >> drop;
	} else {
		/* Below 2^-14 halves have no leading one of their own. */
		drop = 126 - exponent;
		if (drop > 24)
			return sign;
		mantissa |= 0x800000;
		half = mantissa >> drop;
	}
	uint32_t rest = mantissa & ((1U << drop) - 1);
	uint32_t tie = 1U << (drop - 1);
	if (rest > tie || (rest == tie && (half & 1) != 0))
		half++;
	return (uint16_t)(sign | half);
}

static void write_header(char out[HEADER_LEN], int64_t rows, int dimension)
{
	memset(out, ' ', HEADER_LEN);
	memcpy(out, "\x93NUMPY\x01\x00", 8);
	out[8] = (char)(HEADER_LEN - MAGIC_LEN);
	out[9] = 0;
	char text[HEADER_LEN - MAGIC_LEN];
	int len = snprintf(text, sizeof(text),
			   "{'descr': '<f2', 'fortran_order': False, "
			   "'shape': (%lld, %d), }",
			   (long long)rows, dimension);
	memcpy(out + MAGIC_LEN, text, (size_t)len);
	out[HEADER_LEN - 1] = '\n';
}

int npy_new(struct npy **out, struct file *file, int dimension,
	    struct cah_error *err)
{
	*out = NULL;
	size_t room = (size_t)dimension * 2;
	if (room < BUFFER_LEN)
		room = BUFFER_LEN;
	struct npy *npy = malloc(sizeof(*npy) + room);
	if (npy == NULL)
		return cah_fail(err, CAH_ENOMEM, "embeddings: out of memory");
	*npy = (struct npy){.file = file, .dimension = dimension, .room = room};
	char header[HEADER_LEN];
	write_header(header, 0, dimension);
	int rc = file_write(file, header, sizeof(header), err);
	if (rc != CAH_OK) {
		free(npy);
		return rc;
	}
	*out = npy;
	return CAH_OK;
}

static int flush(struct npy *npy, struct cah_error *err)
{
	int rc = file_write(npy->file, npy->buffer, npy->used, err);
	npy->used = 0;
	return rc;
}

int npy_add(struct npy *npy, const float *row, struct cah_error *err)
{
	size_t len = (size_t)npy->dimension * 2;
	if (len > npy->room - npy->used) {
		int rc = flush(npy, err);
		if (rc != CAH_OK)
			return rc;
	}
	uint8_t *to = npy->buffer + npy->used;
	for (int i = 0; i < npy->dimension; i++) {
		uint16_t half = npy_half(row[i]);
		*to++ = (uint8_t)half; /* little endian */
		*to++ = (uint8_t)(half >> 8);
	}
	npy->used += len;
	npy->rows++;
	return CAH_OK;
}

int npy_finish(struct npy *npy, struct cah_error *err)
{
	int rc = flush(npy, err);
	if (rc != CAH_OK)
		return rc;
	char header[HEADER_LEN];
	write_header(header, npy->rows, npy->dimension);
	ssize_t n = pwrite(file_fd(npy->file), header, sizeof(header), 0);
	if (n != (ssize_t)sizeof(header))
		return cah_fail_errno(err, n < 0 ? errno : ENOSPC,
				      "cannot write %s",
				      file_tmp_path(npy->file));
	return CAH_OK;
}

void npy_free(struct npy *npy)
{
	free(npy);
}
