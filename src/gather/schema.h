/* schema.h: a sample as a row of NAME.parquet and as KEY.json. Any thread; a
 * schema does not change. Private to src/gather. */
#ifndef GATHER_SCHEMA_H
#define GATHER_SCHEMA_H

#include "base/buf.h"
#include "gather/output.h"

/* The columns, borrowed; *count of them. */
const struct parquet_column *schema_columns(const struct output_schema *schema,
					    size_t *count);

/* Fills one value a column, borrowed from @sample and @key. */
void schema_fill(const struct output_schema *schema,
		 struct parquet_value *values, const struct sample *sample,
		 const char *key);

/* Appends the row as a JSON object, without the picture. Failures stay in
 * @out. */
void schema_write_json(const struct output_schema *schema, struct buf *out,
		       const struct parquet_value *values);

#endif
