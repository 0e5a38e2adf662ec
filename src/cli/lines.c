#include "cli/lines.h"

#include "base/fail.h"

#include <errno.h>

void lines_init(struct lines *lines, FILE *in, const char *name)
{
	*lines = (struct lines){.in = in, .name = name};
	buf_init(&lines->line, LINES_MAX);
}

void lines_fini(struct lines *lines)
{
	buf_fini(&lines->line);
}

int lines_next(struct lines *lines, struct slice *line, struct cah_error *err)
{
	struct buf *buf = &lines->line;
	int byte = EOF;
	buf_reset(buf);
	while (!buf->is_failed && (byte = getc_unlocked(lines->in)) != EOF &&
	       byte != '\n')
		(void)buf_add_byte(buf, (char)byte);
	/* No signal that the program lets live comes but to stop it. */
	if (ferror(lines->in) && errno == EINTR)
		return cah_fail(err, CAH_ECANCELLED, "stopped");
	if (ferror(lines->in))
		return cah_fail_errno(err, errno, "cannot read %s",
				      lines->name);
	if (buf->is_failed)
		return cah_fail(err, buf->code, "%s: line %zu is too long",
				lines->name, lines->number + 1);
	if (byte == EOF && buf->len == 0)
		return 0;
	lines->number++;
	*line = buf_slice(buf);
	if (line->len > 0 && line->data[line->len - 1] == '\r')
		line->len--;
	return 1;
}
