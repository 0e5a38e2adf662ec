/* A Parquet file is read row group by row group, so that memory holds one of
 * them. The file may come from anybody: every type is looked at before use. */
#include "dataset/parquet_shim.h"

extern "C" {
#include "base/fail.h"
}

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <exception>
#include <memory>
#include <new>
#include <parquet/arrow/reader.h>
#include <vector>

namespace
{

bool fits(const arrow::DataType &type, enum parquet_type wanted)
{
	switch (wanted) {
	case PARQUET_INT32:
		return type.id() == arrow::Type::INT32;
	case PARQUET_INT64:
		return type.id() == arrow::Type::INT64;
	case PARQUET_DOUBLE:
		return type.id() == arrow::Type::DOUBLE;
	case PARQUET_BOOL:
		return type.id() == arrow::Type::BOOL;
	case PARQUET_BINARY:
		return type.id() == arrow::Type::BINARY;
	case PARQUET_TEXT:
		break;
	}
	return type.id() == arrow::Type::STRING;
}

struct parquet_value value_at(const arrow::Array &array, enum parquet_type type,
			      int64_t row)
{
	struct parquet_value value = {};
	value.is_null = array.IsNull(row);
	if (value.is_null)
		return value;
	switch (type) {
	case PARQUET_INT32:
		value.number =
			static_cast<const arrow::Int32Array &>(array).Value(
				row);
		return value;
	case PARQUET_INT64:
		value.number =
			static_cast<const arrow::Int64Array &>(array).Value(
				row);
		return value;
	case PARQUET_DOUBLE:
		value.real =
			static_cast<const arrow::DoubleArray &>(array).Value(
				row);
		return value;
	case PARQUET_BOOL:
		value.number =
			static_cast<const arrow::BooleanArray &>(array).Value(
				row)
				? 1
				: 0;
		return value;
	case PARQUET_BINARY:
	case PARQUET_TEXT:
		break;
	}
	/* Arrow's texts are bytes that are known to be UTF-8. */
	auto text = static_cast<const arrow::BinaryArray &>(array).GetView(row);
	value.text = text.data();
	value.text_len = text.size();
	return value;
}

struct reader {
	const struct parquet_column *columns;
	size_t count;
	parquet_row_fn fn;
	void *arg;
	int stopped; /* what fn returned */

	arrow::Status read(const char *path);
	arrow::Status tell(const arrow::RecordBatch &batch);
};

arrow::Status reader::tell(const arrow::RecordBatch &batch)
{
	std::vector<std::shared_ptr<arrow::Array>> arrays;
	for (size_t i = 0; i < count; i++) {
		auto array = batch.GetColumnByName(columns[i].name);
		if (array == nullptr || !fits(*array->type(), columns[i].type))
			return arrow::Status::Invalid(
				"column ", columns[i].name,
				" is missing or of another type");
		arrays.push_back(std::move(array));
	}
	std::vector<struct parquet_value> row(count);
	for (int64_t r = 0; r < batch.num_rows() && stopped == 0; r++) {
		for (size_t i = 0; i < count; i++)
			row[i] = value_at(*arrays[i], columns[i].type, r);
		stopped = fn(arg, row.data());
	}
	return arrow::Status::OK();
}

arrow::Status reader::read(const char *path)
{
	ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path));
	parquet::arrow::FileReaderBuilder builder;
	ARROW_RETURN_NOT_OK(builder.Open(file));
	ARROW_ASSIGN_OR_RAISE(auto parquet, builder.Build());
	for (int g = 0; g < parquet->num_row_groups() && stopped == 0; g++) {
		ARROW_ASSIGN_OR_RAISE(auto batches,
				      parquet->GetRecordBatchReader({g}));
		std::shared_ptr<arrow::RecordBatch> batch;
		ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
		while (batch != nullptr && stopped == 0) {
			ARROW_RETURN_NOT_OK(tell(*batch));
			ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
		}
	}
	return arrow::Status::OK();
}

} // namespace

int parquet_read(const char *path, const struct parquet_column *columns,
		 size_t count, parquet_row_fn fn, void *arg,
		 struct cah_error *err)
{
	try {
		struct reader reader = {columns, count, fn, arg, 0};
		arrow::Status status = reader.read(path);
		if (status.IsOutOfMemory())
			return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
					path);
		if (status.IsIOError())
			return cah_fail(err, CAH_EIO, "cannot read %s: %s",
					path, status.message().c_str());
		if (!status.ok())
			return cah_fail(err, CAH_EFORMAT, "%s: %s", path,
					status.message().c_str());
		return reader.stopped;
	} catch (const std::bad_alloc &) {
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	} catch (const std::exception &e) {
		return cah_fail(err, CAH_EFORMAT, "%s: %s", path, e.what());
	} catch (...) {
		return cah_fail(err, CAH_EFORMAT, "%s: no Parquet file", path);
	}
}
