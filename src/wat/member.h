/* member.h: the gzip members (RFC 1952) of a file that comes in pieces,
 * inflated. Whole ones go through libdeflate at once; one that is very long,
 * cut or broken goes through zlib bit by bit. Behind a broken one the next is
 * looked for: the signature, and bytes that inflate to "WARC/". One owner; no
 * locks. */
#ifndef WAT_MEMBER_H
#define WAT_MEMBER_H

#include "wat/warc.h"

enum {
	MEMBER_PUSH_MAX = 1 << 20, /* packed bytes taken at a time */
};

struct member_options {
	int64_t start; /* where in the file the pushed bytes begin; not 0: the
			  first member has to be looked for */
	int64_t stop;  /* no member that starts there or later is inflated */
	size_t packed_max; /* bytes of a member kept for going back in it */
	size_t raw_max;    /* inflated bytes that go out in one piece */
	/* Takes inflated bytes as warc_push does; WARC_HOPELESS gives the
	 * member up, other codes stop everything. */
	int (*fn)(void *arg, struct slice bytes, enum warc_mark mark);
	void *arg;
};

struct members;

CAH_MUST_CHECK int members_new(struct members **out,
			       const struct member_options *options,
			       struct cah_error *err);
void members_free(struct members *members);

/* Errors: CAH_ENOMEM, what the callback returned. @is_last: no more will come,
 * so what is left must be whole. */
CAH_MUST_CHECK int members_push(struct members *members, struct slice bytes,
				bool is_last);

/* Members that were broken, and stretches that are none. */
int64_t members_broken(const struct members *members);

/* True once a member at or after options.stop was reached. */
bool members_is_done(const struct members *members);

/* Where in the file the members stand: the place that is looked at next, and
 * whether there a member should begin or one is searched for. */
int64_t members_at(const struct members *members);
bool members_is_searching(const struct members *members);

/* Where the first member was found that had to be looked for; -1: nowhere. */
int64_t members_first(const struct members *members);

/* Whether any place was looked at where a member should begin: only that
 * changes what members_is_cut says. */
bool members_has_begun(const struct members *members);

/* Goes on, from where it was done, to members before @stop. No push may have
 * been longer than MEMBER_PUSH_MAX. */
void members_extend(struct members *members, int64_t stop);

/* True where the file ended within a member. */
bool members_is_cut(const struct members *members);

#endif
