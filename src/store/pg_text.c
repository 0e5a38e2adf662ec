/* The statements in PostgreSQL's dialect: most are SQLite's with other marks
 * for their arguments, the others stand in statements_pg.def. */
#include "store/pg.h"

#include <inttypes.h>

static const char *const own_texts[PG_STMT_COUNT] = {
#define STMT(name, sql) [STMT_##name] = (sql),
#define PLUS(name, sql)
#define OWN(name, sql) [PG_##name] = (sql),
#include "store/statements_pg.def"
#undef STMT
#undef PLUS
#undef OWN
};

static const char *const ends[PG_STMT_COUNT] = {
#define STMT(name, sql)
#define PLUS(name, sql) [STMT_##name] = (sql),
#define OWN(name, sql)
#include "store/statements_pg.def"
#undef STMT
#undef PLUS
#undef OWN
};

/* "INDEXED BY x": PostgreSQL's planner takes no orders. */
static size_t skip_order(const char *sql)
{
	static const char order[] = "INDEXED BY ";
	size_t len = sizeof(order) - 1;
	return strncmp(sql, order, len) != 0 ? 0
					     : len + strcspn(sql + len, " ");
}

static void translate(struct buf *out, const char *sql, int64_t slot)
{
	for (; *sql != '\0'; sql++) {
		size_t skip = skip_order(sql);
		if (skip > 0)
			sql += skip - 1;
		else if (*sql == '?')
			(void)buf_add_byte(out, '$');
		else if (*sql == '@')
			(void)buf_printf(out, "%" PRId64, slot);
		else
			(void)buf_add_byte(out, *sql);
	}
}

void pg_text(struct buf *out, int stmt, bool is_write, int64_t slot)
{
	translate(out,
		  own_texts[stmt] != NULL ? own_texts[stmt] : stmt_texts[stmt],
		  slot);
	if (ends[stmt] != NULL && is_write)
		translate(out, ends[stmt], slot);
}
