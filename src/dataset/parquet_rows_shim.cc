/* The file may come from anybody: types are looked at before use, and memory
 * comes from a pool with a limit. Row groups are read one after the other, a
 * thousand rows at a time. */
#include "dataset/parquet_rows.h"

extern "C" {
#include "base/fail.h"
}

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <exception>
#include <memory>
#include <new>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace
{

constexpr int64_t BATCH_ROWS = 1000;
constexpr int64_t STREAM_BYTES = int64_t{256} * 1024; /* read at a time */

enum parquet_type type_for(const arrow::DataType &type)
{
	switch (type.id()) {
	case arrow::Type::INT8:
	case arrow::Type::INT16:
	case arrow::Type::INT32:
	case arrow::Type::INT64:
	case arrow::Type::UINT8:
	case arrow::Type::UINT16:
	case arrow::Type::UINT32:
		return PARQUET_INT64;
	case arrow::Type::FLOAT:
	case arrow::Type::DOUBLE:
		return PARQUET_DOUBLE;
	case arrow::Type::BOOL:
		return PARQUET_BOOL;
	case arrow::Type::BINARY:
	case arrow::Type::LARGE_BINARY:
		return PARQUET_BINARY;
	default:
		return PARQUET_TEXT;
	}
}

template <typename Array> int64_t number(const arrow::Array &array, int64_t row)
{
	return static_cast<int64_t>(
		static_cast<const Array &>(array).Value(row));
}

int64_t integer_at(const arrow::Array &array, int64_t row)
{
	switch (array.type_id()) {
	case arrow::Type::INT8:
		return number<arrow::Int8Array>(array, row);
	case arrow::Type::INT16:
		return number<arrow::Int16Array>(array, row);
	case arrow::Type::INT32:
		return number<arrow::Int32Array>(array, row);
	case arrow::Type::UINT8:
		return number<arrow::UInt8Array>(array, row);
	case arrow::Type::UINT16:
		return number<arrow::UInt16Array>(array, row);
	case arrow::Type::UINT32:
		return number<arrow::UInt32Array>(array, row);
	case arrow::Type::BOOL:
		return number<arrow::BooleanArray>(array, row);
	default:
		return number<arrow::Int64Array>(array, row);
	}
}

double real_at(const arrow::Array &array, int64_t row)
{
	if (array.type_id() == arrow::Type::FLOAT)
		return static_cast<const arrow::FloatArray &>(array).Value(row);
	return static_cast<const arrow::DoubleArray &>(array).Value(row);
}

/* Bytes of @array at @row; @kept holds what had to be made. */
arrow::Result<std::string_view> bytes_at(const arrow::Array &array, int64_t row,
					 std::string *kept)
{
	switch (array.type_id()) {
	case arrow::Type::STRING:
	case arrow::Type::BINARY:
		return static_cast<const arrow::BinaryArray &>(array).GetView(
			row);
	case arrow::Type::LARGE_STRING:
	case arrow::Type::LARGE_BINARY:
		return static_cast<const arrow::LargeBinaryArray &>(array)
			.GetView(row);
	case arrow::Type::DICTIONARY: {
		const auto &dictionary =
			static_cast<const arrow::DictionaryArray &>(array);
		int64_t index = dictionary.GetValueIndex(row);
		const auto &words = *dictionary.dictionary();
		if (index < 0 || index >= words.length())
			return arrow::Status::Invalid("broken dictionary");
		if (words.type_id() != arrow::Type::DICTIONARY)
			return bytes_at(words, index, kept);
		break;
	}
	default:
		break;
	}
	ARROW_ASSIGN_OR_RAISE(auto scalar, array.GetScalar(row));
	*kept = scalar->ToString();
	return std::string_view(*kept);
}

arrow::Status value_at(struct parquet_value *out, const arrow::Array &array,
		       int64_t row, std::string *kept)
{
	*out = {};
	out->is_null = array.IsNull(row);
	if (out->is_null)
		return arrow::Status::OK();
	switch (type_for(*array.type())) {
	case PARQUET_INT32:
	case PARQUET_INT64:
	case PARQUET_BOOL:
		out->number = integer_at(array, row);
		return arrow::Status::OK();
	case PARQUET_DOUBLE:
		out->real = real_at(array, row);
		return arrow::Status::OK();
	case PARQUET_BINARY:
	case PARQUET_TEXT:
		break;
	}
	ARROW_ASSIGN_OR_RAISE(auto bytes, bytes_at(array, row, kept));
	out->text = bytes.data();
	out->text_len = bytes.size();
	return arrow::Status::OK();
}

void add_leaves(std::vector<int> *out, const parquet::arrow::SchemaField &field)
{
	if (field.is_leaf())
		out->push_back(field.column_index);
	for (const auto &child : field.children)
		add_leaves(out, child);
}

} // namespace

struct parquet_rows {
	std::string path;
	arrow::CappedMemoryPool pool{arrow::default_memory_pool(),
				     PARQUET_MEMORY_MAX};
	std::unique_ptr<parquet::arrow::FileReader> file;
	std::vector<std::string> names;
	std::vector<struct parquet_column> columns;
	std::vector<size_t> wanted;
	int64_t count = 0;

	int group = 0;
	std::shared_ptr<arrow::RecordBatchReader> batches; /* of the group */
	std::shared_ptr<arrow::RecordBatch> batch;
	int64_t row = 0; /* the next of the batch */
	std::vector<std::string> kept;
	std::vector<struct parquet_value> values;

	arrow::Status open();
	arrow::Status next_batch();
	arrow::Status next(bool *is_there);
};

arrow::Status parquet_rows::open()
{
	ARROW_ASSIGN_OR_RAISE(auto source,
			      arrow::io::ReadableFile::Open(path, &pool));
	parquet::ReaderProperties properties(&pool);
	properties.enable_buffered_stream();
	properties.set_buffer_size(STREAM_BYTES);
	parquet::ArrowReaderProperties arrow_properties(false);
	arrow_properties.set_batch_size(BATCH_ROWS);
	parquet::arrow::FileReaderBuilder builder;
	ARROW_RETURN_NOT_OK(builder.Open(source, properties));
	builder.memory_pool(&pool)->properties(arrow_properties);
	ARROW_ASSIGN_OR_RAISE(file, builder.Build());

	std::shared_ptr<arrow::Schema> schema;
	ARROW_RETURN_NOT_OK(file->GetSchema(&schema));
	if (schema->num_fields() > PARQUET_COLUMNS_MAX)
		return arrow::Status::CapacityError(
			"more than ", +PARQUET_COLUMNS_MAX, " columns");
	for (const auto &field : schema->fields())
		names.push_back(field->name());
	for (size_t i = 0; i < names.size(); i++) {
		const auto &type = *schema->field(static_cast<int>(i))->type();
		columns.push_back({names[i].c_str(), type_for(type), true});
		wanted.push_back(i);
	}
	count = file->parquet_reader()->metadata()->num_rows();
	return arrow::Status::OK();
}

arrow::Status parquet_rows::next_batch()
{
	batch = nullptr;
	row = 0;
	while (batch == nullptr) {
		if (batches != nullptr) {
			ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
			if (batch != nullptr && batch->num_rows() == 0)
				batch = nullptr;
			else if (batch == nullptr)
				batches = nullptr;
			continue;
		}
		if (group >= file->num_row_groups())
			return arrow::Status::OK();
		std::vector<int> leaves;
		const auto &fields = file->manifest().schema_fields;
		for (size_t i : wanted)
			add_leaves(&leaves, fields.at(i));
		ARROW_ASSIGN_OR_RAISE(
			batches, file->GetRecordBatchReader({group}, leaves));
		group++;
	}
	if (batch->num_columns() != static_cast<int>(wanted.size()))
		return arrow::Status::Invalid("columns are missing");
	return arrow::Status::OK();
}

arrow::Status parquet_rows::next(bool *is_there)
{
	*is_there = false;
	if (batch == nullptr || row == batch->num_rows())
		ARROW_RETURN_NOT_OK(next_batch());
	if (batch == nullptr)
		return arrow::Status::OK();
	kept.resize(wanted.size());
	values.resize(wanted.size());
	for (size_t i = 0; i < wanted.size(); i++) {
		const auto &array = *batch->column(static_cast<int>(i));
		/* What was planned for must be what came. */
		if (type_for(*array.type()) != columns[wanted[i]].type)
			return arrow::Status::Invalid("column ",
						      names[wanted[i]],
						      " changes its type");
		ARROW_RETURN_NOT_OK(value_at(&values[i], array, row, &kept[i]));
	}
	row++;
	*is_there = true;
	return arrow::Status::OK();
}

namespace
{

int fail(struct cah_error *err, const std::string &path,
	 const arrow::Status &status)
{
	const char *text = status.message().c_str();
	if (status.IsOutOfMemory())
		return cah_fail(err, CAH_ENOMEM,
				"%s: takes too much memory: %s", path.c_str(),
				text);
	if (status.IsIOError())
		return cah_fail(err, CAH_EIO, "cannot read %s: %s",
				path.c_str(), text);
	if (status.IsCapacityError())
		return cah_fail(err, CAH_ELIMIT, "%s: %s", path.c_str(), text);
	return cah_fail(err, CAH_EFORMAT, "%s: %s", path.c_str(), text);
}

template <typename Body>
int guard(struct cah_error *err, const std::string &path, Body body)
{
	try {
		arrow::Status status = body();
		return status.ok() ? static_cast<int>(CAH_OK)
				   : fail(err, path, status);
	} catch (const std::bad_alloc &) {
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				path.c_str());
	} catch (const std::exception &e) {
		return cah_fail(err, CAH_EFORMAT, "%s: %s", path.c_str(),
				e.what());
	} catch (...) {
		return cah_fail(err, CAH_EFORMAT, "%s: no Parquet file",
				path.c_str());
	}
}

} // namespace

int parquet_rows_open(struct parquet_rows **out, const char *path,
		      struct cah_error *err)
{
	*out = nullptr;
	if (access(path, F_OK) != 0)
		return cah_fail(err, CAH_ENOTFOUND, "%s: no such file", path);
	return guard(err, path, [&] {
		auto rows = std::make_unique<parquet_rows>();
		rows->path = path;
		ARROW_RETURN_NOT_OK(rows->open());
		*out = rows.release();
		return arrow::Status::OK();
	});
}

const struct parquet_column *
parquet_rows_columns(const struct parquet_rows *rows, size_t *count)
{
	*count = rows->columns.size();
	return rows->columns.data();
}

int64_t parquet_rows_count(const struct parquet_rows *rows)
{
	return rows->count;
}

void parquet_rows_select(struct parquet_rows *rows, const size_t *wanted,
			 size_t count)
{
	rows->wanted.assign(wanted, wanted + count);
}

int parquet_rows_next(struct parquet_rows *rows,
		      const struct parquet_value **values,
		      struct cah_error *err)
{
	bool is_there = false;
	int rc = guard(err, rows->path, [&] { return rows->next(&is_there); });
	*values = rows->values.data();
	return rc != CAH_OK ? rc : is_there ? 1 : 0;
}

void parquet_rows_close(struct parquet_rows *rows)
{
	if (rows == nullptr)
		return;
	(void)guard(nullptr, rows->path, [&] {
		rows->batch = nullptr;
		rows->batches = nullptr;
		rows->file = nullptr;
		return arrow::Status::OK();
	});
	delete rows;
}
