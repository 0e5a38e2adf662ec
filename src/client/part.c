#include "client/part.h"

#include "base/fail.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NOTE_MAX = 64 * 1024, /* bytes of PATH.part.json */
	STEP = 256 * 1024,    /* bytes read at once */
	OPEN_TRIES = 4,
};

struct part {
	int fd;
	char *path;
	char *note_path;
};

/* What the bytes are the beginning of. */
struct note {
	char *url;
	char *validator; /* of stream_validator */
	int64_t size;    /* of the whole, -1 where unknown */
};

static void note_fini(struct note *note)
{
	free(note->url);
	free(note->validator);
	*note = (struct note){NULL, NULL, -1};
}

static int note_set(struct note *note, const char *url, const char *validator,
		    int64_t size)
{
	note_fini(note);
	note->url = strdup(url);
	note->validator = strdup(validator);
	note->size = size;
	return note->url != NULL && note->validator != NULL ? CAH_OK
							    : CAH_ENOMEM;
}

/* A note that is missing or makes no sense is none: the download begins anew.
 * Its url is NULL then. */
static void read_note(const struct part *part, struct note *note)
{
	struct buf text;
	const char *url, *validator;
	json_int_t size;

	*note = (struct note){NULL, NULL, -1};
	buf_init(&text, NOTE_MAX);
	json_t *root = NULL;
	if (file_read(&text, part->note_path, NULL) == CAH_OK && text.len > 0)
		root = json_loadb(text.data, text.len, 0, NULL);
	buf_fini(&text);
	if (root != NULL &&
	    json_unpack(root, "{s:s, s:s, s:I}", "url", &url, "validator",
			&validator, "size", &size) == 0 &&
	    note_set(note, url, validator, size) != CAH_OK)
		note_fini(note);
	json_decref(root);
}

static int write_note(const struct part *part, const struct note *note,
		      struct cah_error *err)
{
	json_t *root =
		json_pack("{s:s, s:s, s:I}", "url", note->url, "validator",
			  note->validator, "size", (json_int_t)note->size);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	/* A URL or an ETag that is not UTF-8 cannot be noted: no resume. */
	if (text == NULL) {
		(void)unlink(part->note_path);
		return CAH_OK;
	}
	int rc = file_put(part->note_path, text, strlen(text), err);
	free(text);
	return rc;
}

/* Locked, and still the file of that name: another process may have removed it
 * between our open and our lock. */
static int open_locked(struct part *part, bool *is_current,
		       struct cah_error *err)
{
	struct stat ours, named;

	*is_current = false;
	part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0666);
	if (part->fd < 0)
		return cah_fail_errno(err, errno, "cannot open %s", part->path);
	if (flock(part->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return cah_fail(err, CAH_EIO,
				"%s: another process downloads to it",
				part->path);
	if (fstat(part->fd, &ours) != 0)
		return cah_fail_errno(err, errno, "cannot read %s", part->path);
	if (!S_ISREG(ours.st_mode))
		return cah_fail(err, CAH_EIO, "%s is not a file", part->path);
	*is_current = stat(part->path, &named) == 0 &&
		      named.st_ino == ours.st_ino &&
		      named.st_dev == ours.st_dev;
	return CAH_OK;
}

int part_open(struct part **out, const char *path, struct cah_error *err)
{
	*out = NULL;
	struct part *part = calloc(1, sizeof(*part));
	if (part == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	part->fd = -1;
	if (asprintf(&part->path, "%s.part", path) < 0)
		part->path = NULL;
	if (asprintf(&part->note_path, "%s.part.json", path) < 0)
		part->note_path = NULL;
	if (part->path == NULL || part->note_path == NULL) {
		part_close(part);
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	}
	for (int i = 0; i < OPEN_TRIES; i++) {
		bool is_current;
		int rc = open_locked(part, &is_current, err);
		if (rc != CAH_OK) {
			part_close(part);
			return rc;
		}
		if (is_current) {
			*out = part;
			return CAH_OK;
		}
		close(part->fd);
		part->fd = -1;
	}
	part_close(part);
	return cah_fail(err, CAH_EIO, "%s: other processes remove it", path);
}

/* Where a stream of @url has to begin: -1 where all is here already. */
static int64_t find_start(const struct part *part, const struct note *note,
			  const char *url)
{
	struct stat st;
	if (note->url == NULL || strcmp(note->url, url) != 0 ||
	    fstat(part->fd, &st) != 0 ||
	    (note->size < 0 && note->validator[0] == '\0'))
		return 0;
	if (note->size >= 0 && st.st_size == note->size)
		return -1;
	return note->size < 0 || st.st_size < note->size ? (int64_t)st.st_size
							 : 0;
}

static int open_from(struct stream **stream, const struct part *part,
		     const struct note *note, const char *url,
		     const struct stream_options *options,
		     struct cah_error *err)
{
	int rc = stream_open(stream, url, options, err);
	if (rc != CAH_OK)
		return rc;
	/* Without a validator, the size is all that can tell. */
	int64_t size = stream_size(*stream);
	if (options->start > 0 && size != note->size) {
		stream_close(*stream);
		*stream = NULL;
		return cah_fail(err, CAH_EFORMAT, "%s: has changed",
				part->path);
	}
	return CAH_OK;
}

/* The stream to append to the part, which is cut to where it begins. */
static int open_stream(struct stream **stream, const struct part *part,
		       struct note *note, const char *url,
		       const struct stream_options *options,
		       struct cah_error *err)
{
	struct stream_options o = *options;
	o.start = find_start(part, note, url);
	*stream = NULL;
	if (o.start < 0)
		return CAH_OK;
	o.validator = o.start > 0 ? note->validator : NULL;
	int rc = open_from(stream, part, note, url, &o, err);
	/* Another resource by now, or a server that will not go on from there:
	 * from the beginning then. */
	if (o.start > 0 && (rc == CAH_EFORMAT || rc == CAH_ESERVER)) {
		o.start = 0;
		o.validator = NULL;
		rc = open_from(stream, part, note, url, &o, err);
	}
	if (rc != CAH_OK)
		return rc;
	if (ftruncate(part->fd, o.start) != 0 ||
	    lseek(part->fd, o.start, SEEK_SET) != o.start)
		return cah_fail_errno(err, errno, "cannot write %s",
				      part->path);
	if (note_set(note, url, stream_validator(*stream),
		     stream_size(*stream)) != CAH_OK)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				part->path);
	return write_note(part, note, err);
}

static int append(const struct part *part, const char *data, size_t len,
		  struct cah_error *err)
{
	while (len > 0) {
		ssize_t n = write(part->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cah_fail_errno(err, errno, "cannot write %s",
					      part->path);
		data += n;
		len -= (size_t)n;
	}
	return CAH_OK;
}

static int drain(const struct part *part, struct stream *stream, int64_t max,
		 struct cah_error *err)
{
	char *step = malloc(STEP);
	if (step == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				part->path);
	int64_t total = lseek(part->fd, 0, SEEK_CUR);
	int rc;
	for (;;) {
		size_t len = 0;
		rc = stream_read(stream, step, STEP, &len, err);
		if (rc != CAH_OK || len == 0)
			break;
		total += (int64_t)len;
		if (total > max) {
			rc = cah_fail(err, CAH_ELIMIT,
				      "the download has more than %lld bytes",
				      (long long)max);
			break;
		}
		rc = append(part, step, len, err);
		if (rc != CAH_OK)
			break;
	}
	free(step);
	return rc;
}

int part_fetch(struct part *part, const char *url,
	       const struct stream_options *options, int64_t max,
	       struct cah_error *err)
{
	struct note note;
	struct stream *stream;

	read_note(part, &note);
	int rc = open_stream(&stream, part, &note, url, options, err);
	if (rc == CAH_OK && stream != NULL)
		rc = drain(part, stream, max, err);
	stream_close(stream);
	note_fini(&note);
	if (rc == CAH_OK && lseek(part->fd, 0, SEEK_SET) != 0)
		rc = cah_fail_errno(err, errno, "cannot read %s", part->path);
	return rc;
}

int part_fd(const struct part *part)
{
	return part->fd;
}

void part_remove(struct part *part)
{
	/* The note first: a part without one is begun anew. */
	(void)unlink(part->note_path);
	(void)unlink(part->path);
}

void part_close(struct part *part)
{
	if (part == NULL)
		return;
	if (part->fd >= 0)
		close(part->fd);
	free(part->path);
	free(part->note_path);
	free(part);
}
