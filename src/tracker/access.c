#include "tracker/access.h"

#include "base/ascii.h"

#include <inttypes.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	FIELDS_MAX = 10,
	MS = 1000 * 1000, /* nanoseconds */
};

void access_init(struct access *access, struct log *log)
{
	*access = (struct access){.log = log};
	/* Only two starts beside each other are to be told apart. */
	if (getrandom(&access->start, sizeof(access->start), GRND_NONBLOCK) !=
	    sizeof(access->start))
		access->start = (uint32_t)getpid();
}

static char *put_hex(char *out, uint64_t n, int digits)
{
	for (int i = digits - 1; i >= 0; i--)
		*out++ = "0123456789abcdef"[n >> (4 * i) & 15];
	return out;
}

void access_make_id(struct access *access, char out[ACCESS_ID_MAX + 1])
{
	uint64_t number = 1 + atomic_fetch_add_explicit(&access->last, 1,
							memory_order_relaxed);
	char *end = put_hex(out, access->start, 8);
	*end++ = '-';
	/* 2^48 requests are two centuries at 45,000 a second. */
	end = put_hex(end, number, 12);
	*end = '\0';
}

bool access_take_id(char out[ACCESS_ID_MAX + 1], struct slice given)
{
	if (given.len == 0 || given.len > ACCESS_ID_MAX)
		return false;
	for (size_t i = 0; i < given.len; i++) {
		char c = given.data[i];
		if (!ascii_is_letter(c) && !ascii_is_digit(c) && c != '.' &&
		    c != '_' && c != '-')
			return false;
		out[i] = c;
	}
	out[given.len] = '\0';
	return true;
}

static void write_entry(struct access *access, enum log_level level,
			const char *msg, const struct access_entry *entry)
{
	struct log_field fields[FIELDS_MAX];
	size_t n = 0;
	fields[n++] = log_text("id", slice_of(entry->id));
	fields[n++] = log_text("client", slice_of(entry->address));
	fields[n++] = log_text("method", slice_of(entry->method));
	if (entry->route != NULL) {
		fields[n++] = log_text("route", slice_of(entry->route));
	} else {
		struct slice path = entry->path;
		if (path.len > ACCESS_PATH_MAX)
			path.len = ACCESS_PATH_MAX;
		fields[n++] = log_text("route", SLICE("unknown"));
		fields[n++] = log_text("path", path);
	}
	fields[n++] = log_int("status", entry->status);
	fields[n++] = log_int("bytes", (int64_t)entry->bytes);
	fields[n++] = log_ms("ms", entry->ns);
	if (entry->error != NULL)
		fields[n++] = log_text("error", slice_of(entry->error));
	log_fields(access->log, level, msg, fields, n);
}

bool access_wants(const struct access *access, int status, int64_t ns)
{
	return status >= 500 || ns >= (int64_t)ACCESS_SLOW_MS * MS ||
	       log_shows(access->log, LOG_DEBUG);
}

void access_write(struct access *access, const struct access_entry *entry,
		  int64_t now_s)
{
	if (entry->status >= 500 && !entry->is_unremarked &&
	    log_burst_passes(&access->failed, now_s))
		write_entry(access, LOG_ERROR, "request failed", entry);
	else if (entry->ns >= (int64_t)ACCESS_SLOW_MS * MS &&
		 !entry->is_unremarked &&
		 log_burst_passes(&access->slow, now_s))
		write_entry(access, LOG_WARN, "slow request", entry);
	else if (log_shows(access->log, LOG_DEBUG))
		write_entry(access, LOG_DEBUG, "request", entry);
}

void access_tell(struct access *access, int64_t now_s)
{
	log_burst_tell(access->log, LOG_ERROR, &access->failed,
		       "failed requests", now_s);
	log_burst_tell(access->log, LOG_WARN, &access->slow, "slow requests",
		       now_s);
}
