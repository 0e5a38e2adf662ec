/* Source: RFC 1952 (gzip; several members one after the other are one file). */
#include "gather/input.h"

#include "base/fail.h"
#include "fetch/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	PACKED_MAX = 64 * 1024, /* bytes of the stream at a time */
	READ_TRIES = 3,         /* a person waits for this */
};

struct input {
	const char *name;
	struct stream *stream; /* NULL: of memory */
	struct slice bytes;    /* of memory, what is left */
	int64_t packed;        /* bytes read of the stream */
	bool has_sniffed;
	bool is_gzip;
	bool is_in_member; /* of the gzip */
	bool is_dry;       /* the stream has no more */
	bool is_over;      /* nor has zlib */
	z_stream zip;
	size_t start; /* of the window */
	size_t end;
	unsigned char raw[PACKED_MAX]; /* what zlib has not taken yet */
	char *data;                    /* INPUT_WINDOW_MAX bytes */
};

static int make(struct input **out, const char *name, struct cah_error *err)
{
	struct input *input = calloc(1, sizeof(*input));
	*out = input;
	if (input != NULL)
		input->data = malloc(INPUT_WINDOW_MAX);
	if (input == NULL || input->data == NULL ||
	    inflateInit2(&input->zip, MAX_WBITS + 16) != Z_OK) { /* gzip only */
		if (input != NULL)
			free(input->data);
		free(input);
		*out = NULL;
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", name);
	}
	input->name = name;
	return CAH_OK;
}

int input_open(struct input **out, const char *location, struct cancel *cancel,
	       struct cah_error *err)
{
	/* The list is named by whoever runs the command, on their machine. */
	const struct stream_options options = {
		.cancel = cancel,
		.allow_private = true,
		.allow_files = true,
		.tries = READ_TRIES,
	};
	bool is_stdin = strcmp(location, "-") == 0;
	int rc = make(out, is_stdin ? "standard input" : location, err);
	if (rc == CAH_OK)
		rc = stream_open(&(*out)->stream, location, &options, err);
	if (rc != CAH_OK) {
		input_close(*out);
		*out = NULL;
	}
	return rc;
}

int input_open_bytes(struct input **out, struct slice bytes,
		     struct cah_error *err)
{
	int rc = make(out, "list", err);
	if (*out != NULL)
		(*out)->bytes = bytes;
	return rc;
}

const char *input_name(const struct input *input)
{
	return input->name;
}

struct slice input_window(const struct input *input)
{
	return (struct slice){input->data + input->start,
			      input->end - input->start};
}

bool input_is_at_end(const struct input *input)
{
	return input->is_over;
}

void input_consume(struct input *input, size_t len)
{
	assert(len <= input->end - input->start);
	input->start += len;
}

double input_share(const struct input *input)
{
	if (input->stream == NULL || stream_size(input->stream) <= 0)
		return -1;
	return (double)input->packed / (double)stream_size(input->stream);
}

/* At most @cap bytes of what is below zlib; *len is 0 at the end. */
static int read_raw(struct input *input, void *data, size_t cap, size_t *len,
		    struct cah_error *err)
{
	int rc = CAH_OK;
	if (input->stream != NULL) {
		rc = stream_read(input->stream, data, cap, len, err);
	} else {
		*len = input->bytes.len < cap ? input->bytes.len : cap;
		if (*len > 0)
			memcpy(data, input->bytes.data, *len);
		input->bytes = slice_from(input->bytes, *len);
	}
	if (rc == CAH_OK) {
		input->packed += (int64_t)*len;
		input->is_dry = *len == 0;
	}
	return rc;
}

/* More for zlib, behind what it has left over. */
static int refill(struct input *input, struct cah_error *err)
{
	z_stream *zip = &input->zip;
	size_t len;
	if (zip->avail_in > 0)
		memmove(input->raw, zip->next_in, zip->avail_in);
	zip->next_in = input->raw;
	int rc = read_raw(input, input->raw + zip->avail_in,
			  sizeof(input->raw) - zip->avail_in, &len, err);
	if (rc == CAH_OK)
		zip->avail_in += (uInt)len;
	return rc;
}

/* Two bytes tell gzip; a list of fewer is none. */
static int sniff(struct input *input, struct cah_error *err)
{
	while (input->zip.avail_in < 2 && !input->is_dry) {
		int rc = refill(input, err);
		if (rc != CAH_OK)
			return rc;
	}
	input->has_sniffed = true;
	input->is_gzip = input->zip.avail_in >= 2 && input->raw[0] == 0x1f &&
			 input->raw[1] == 0x8b;
	input->is_in_member = input->is_gzip;
	return CAH_OK;
}

static int fill_plain(struct input *input, struct cah_error *err)
{
	/* What was read to find out comes first. */
	size_t room = INPUT_WINDOW_MAX - input->end;
	size_t len = input->zip.avail_in;
	if (len > 0) {
		len = len < room ? len : room;
		memcpy(input->data + input->end, input->zip.next_in, len);
		input->zip.next_in += len;
		input->zip.avail_in -= (uInt)len;
	} else {
		int rc = read_raw(input, input->data + input->end, room, &len,
				  err);
		if (rc != CAH_OK)
			return rc;
		input->is_over = input->is_dry;
	}
	input->end += len;
	return CAH_OK;
}

/* Behind a member: another one, zeros (padding of tapes), or the end. */
static int begin_member(struct input *input, struct cah_error *err)
{
	z_stream *zip = &input->zip;
	while (zip->avail_in > 0 && *zip->next_in == 0) {
		zip->next_in++;
		zip->avail_in--;
	}
	if (zip->avail_in == 0) {
		input->is_over = input->is_dry;
		return CAH_OK;
	}
	if (*zip->next_in != 0x1f)
		return cah_fail(err, CAH_EFORMAT,
				"%s: something else follows the gzip data",
				input->name);
	(void)inflateReset(zip);
	input->is_in_member = true;
	return CAH_OK;
}

static int inflate_some(struct input *input, struct cah_error *err)
{
	z_stream *zip = &input->zip;
	if (zip->avail_in == 0 && input->is_dry)
		return cah_fail(err, CAH_EFORMAT,
				"%s: the gzip data ends too early",
				input->name);
	size_t room = INPUT_WINDOW_MAX - input->end;
	zip->next_out = (unsigned char *)input->data + input->end;
	zip->avail_out = (uInt)room;
	int code = inflate(zip, Z_NO_FLUSH);
	input->end += room - zip->avail_out;
	if (code == Z_MEM_ERROR)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				input->name);
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return cah_fail(err, CAH_EFORMAT, "%s: broken gzip: %s",
				input->name,
				zip->msg != NULL ? zip->msg : "no data");
	input->is_in_member = code != Z_STREAM_END;
	return CAH_OK;
}

static int fill_gzip(struct input *input, struct cah_error *err)
{
	if (input->zip.avail_in == 0 && !input->is_dry) {
		int rc = refill(input, err);
		if (rc != CAH_OK)
			return rc;
	}
	return input->is_in_member ? inflate_some(input, err)
				   : begin_member(input, err);
}

int input_fill(struct input *input, struct cah_error *err)
{
	int rc = input->has_sniffed ? CAH_OK : sniff(input, err);
	if (rc != CAH_OK)
		return rc;
	if (input->start > 0) {
		memmove(input->data, input->data + input->start,
			input->end - input->start);
		input->end -= input->start;
		input->start = 0;
	}
	if (input->end == INPUT_WINDOW_MAX)
		return 0;
	size_t before = input->end;
	while (input->end == before && !input->is_over) {
		rc = input->is_gzip ? fill_gzip(input, err)
				    : fill_plain(input, err);
		if (rc != CAH_OK)
			return rc;
	}
	return input->end > before ? 1 : 0;
}

void input_close(struct input *input)
{
	if (input == NULL)
		return;
	stream_close(input->stream);
	(void)inflateEnd(&input->zip);
	free(input->data);
	free(input);
}
