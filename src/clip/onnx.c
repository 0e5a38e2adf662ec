#include "clip/onnx.h"

#include "base/fail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
	VARINT_MAX = 10,   /* bytes */
	FIELD_VERSION = 1, /* of ModelProto; no model goes without these */
	FIELD_GRAPH = 7,
	FIELD_OPERATORS = 8,
	FIELD_LAST = 31,    /* 25 so far */
	FIELDS_MAX = 10000, /* imports and metadata repeat */
	WIRE_VARINT = 0,
	WIRE_BYTES = 2,
};

static bool read_varint(FILE *in, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < VARINT_MAX; i++) {
		int byte = getc_unlocked(in);
		if (byte == EOF)
			return false;
		*out |= (uint64_t)(byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

/* Skips the value of one field, of which the file has @size bytes. */
static bool skip(FILE *in, unsigned wire, off_t size)
{
	uint64_t len;
	if (!read_varint(in, &len))
		return false;
	if (wire == WIRE_VARINT)
		return true;
	off_t at = ftello(in);
	return wire == WIRE_BYTES && at >= 0 && len <= (uint64_t)(size - at) &&
	       fseeko(in, (off_t)len, SEEK_CUR) == 0;
}

static bool is_model(FILE *in, off_t size)
{
	const uint32_t needed =
		1U << FIELD_VERSION | 1U << FIELD_GRAPH | 1U << FIELD_OPERATORS;
	uint32_t seen = 0;
	for (int i = 0; i < FIELDS_MAX && ftello(in) < size; i++) {
		uint64_t key;
		if (!read_varint(in, &key) || key >> 3 < 1 ||
		    key >> 3 > FIELD_LAST || !skip(in, key & 7, size))
			return false;
		seen |= 1U << (key >> 3);
	}
	return (seen & needed) == needed && ftello(in) == size;
}

int onnx_check(const char *path, struct cah_error *err)
{
	struct stat st;
	FILE *in = fopen(path, "rbe");
	if (in == NULL && errno == ENOENT)
		return cah_fail(err, CAH_ENOTFOUND, "%s: no such file", path);
	if (in == NULL)
		return cah_fail_errno(err, errno, "cannot open %s", path);
	int rc = CAH_OK;
	if (fstat(fileno(in), &st) != 0)
		rc = cah_fail_errno(err, errno, "cannot read %s", path);
	else if (!S_ISREG(st.st_mode) || !is_model(in, st.st_size))
		rc = cah_fail(err, CAH_EFORMAT,
			      "%s: not an ONNX model, or cut short", path);
	(void)fclose(in);
	return rc;
}
