#include "cli/blocking.h"

#include "base/fail.h"
#include "cli/lines.h"

#include <errno.h>

typedef int (*add_fn)(struct blocklist *list, struct slice line,
		      struct cah_error *err);

static struct slice trim(struct slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = slice_from(s, 1);
	while (s.len > 0 &&
	       (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static int add_lines(struct blocklist *list, struct lines *lines, add_fn add,
		     struct cah_error *err)
{
	struct slice line;
	int rc;
	while ((rc = lines_next(lines, &line, err)) == 1) {
		struct cah_error why = {0};
		line = trim(line);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		rc = add(list, line, &why);
		if (rc != CAH_OK)
			return cah_fail(err, rc, "%s: line %zu: %s",
					lines->name, lines->number, why.text);
	}
	return rc;
}

static int add_file(struct blocklist *list, const char *path, add_fn add,
		    struct cah_error *err)
{
	if (path == NULL)
		return CAH_OK;
	FILE *in = fopen(path, "re");
	if (in == NULL)
		return cah_fail_errno(err, errno, "cannot read %s", path);
	struct lines lines;
	lines_init(&lines, in, path);
	int rc = add_lines(list, &lines, add, err);
	lines_fini(&lines);
	(void)fclose(in);
	return rc;
}

int blocking_read(struct blocklist **out, const struct blocking *blocking,
		  struct cah_error *err)
{
	*out = NULL;
	if (blocking->hosts_path == NULL && blocking->urls_path == NULL)
		return CAH_OK;
	struct blocklist *list;
	int rc = blocklist_new(&list, err);
	if (rc != CAH_OK)
		return rc;
	rc = add_file(list, blocking->hosts_path, blocklist_add_host, err);
	if (rc == CAH_OK)
		rc = add_file(list, blocking->urls_path, blocklist_add_hash,
			      err);
	if (rc != CAH_OK) {
		blocklist_free(list);
		return rc;
	}
	*out = list;
	return CAH_OK;
}
