/* action.h: commands whose first operand says what to do, such as cah jobs.
 * Main thread. */
#ifndef CLI_ACTION_H
#define CLI_ACTION_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The head of a row in such a command's table. */
struct action {
	const char *name;
	int min_operands; /* behind the name */
	int max_operands; /* -1: any number */
	bool makes_store; /* opens it by itself */
};

struct action_table {
	const char *command;        /* "jobs" */
	const struct action *first; /* head of the first row */
	size_t stride;              /* bytes from head to head */
	size_t count;
};

/* The head of the row @name where so many operands are right for it; NULL and
 * CAH_EINVALID in *err otherwise. */
const struct action *action_find(const struct action_table *table,
				 const char *name, int operand_count,
				 struct cah_error *err);

/* Reads the number that an operand is: from 1. @what is "job". Errors:
 * CAH_EINVALID. */
CAH_MUST_CHECK int action_number(int64_t *out, const char *what,
				 const char *operand, struct cah_error *err);

#endif
