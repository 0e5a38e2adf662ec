#include "cli/action.h"

#include "base/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct action *action_find(const struct action_table *table,
				 const char *name, int operand_count,
				 struct cah_error *err)
{
	const char *row = (const char *)table->first;
	for (size_t i = 0; i < table->count; i++, row += table->stride) {
		const struct action *action = (const void *)row;
		if (strcmp(action->name, name) != 0)
			continue;
		bool is_short = operand_count < action->min_operands;
		if (!is_short && (action->max_operands < 0 ||
				  operand_count <= action->max_operands))
			return action;
		(void)cah_fail(err, CAH_EINVALID,
			       "%s: %s arguments (see cah %s --help)", name,
			       is_short ? "missing" : "too many",
			       table->command);
		return NULL;
	}
	(void)cah_fail(err, CAH_EINVALID,
		       "there is no action '%s' (see cah %s --help)", name,
		       table->command);
	return NULL;
}

int action_number(int64_t *out, const char *what, const char *operand,
		  struct cah_error *err)
{
	char *end;
	errno = 0;
	long long n = strtoll(operand, &end, 10);
	if (errno != 0 || end == operand || *end != '\0' || n < 1)
		return cah_fail(err, CAH_EINVALID, "'%s' is no %s's number",
				operand, what);
	*out = n;
	return CAH_OK;
}
