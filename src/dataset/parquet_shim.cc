/* Rows are gathered in memory and written as row groups: small enough for a
 * reader that wants a few rows, large enough to compress well. */
#include "dataset/parquet_shim.h"

extern "C" {
#include "base/fail.h"
}

#include <cah/version.h>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <parquet/arrow/writer.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace
{

constexpr int64_t GROUP_ROWS = 10000;
/* Bytes of text in one group; Arrow's offsets would allow 2 GiB a column. */
constexpr size_t GROUP_BYTES = size_t{64} * 1024 * 1024;
constexpr int ZSTD_LEVEL = 3;

std::shared_ptr<arrow::DataType> type_of(enum parquet_type type)
{
	switch (type) {
	case PARQUET_INT32:
		return arrow::int32();
	case PARQUET_INT64:
		return arrow::int64();
	case PARQUET_DOUBLE:
		return arrow::float64();
	case PARQUET_BOOL:
		return arrow::boolean();
	case PARQUET_BINARY:
		return arrow::binary();
	case PARQUET_TEXT:
		break;
	}
	return arrow::utf8();
}

std::shared_ptr<parquet::WriterProperties> properties()
{
	return parquet::WriterProperties::Builder()
		.created_by("cah " CAH_VERSION)
		->version(parquet::ParquetVersion::PARQUET_2_6)
		->compression(parquet::Compression::ZSTD)
		->compression_level(ZSTD_LEVEL)
		->max_row_group_length(GROUP_ROWS)
		->build();
}

arrow::Status append(arrow::ArrayBuilder *builder, enum parquet_type type,
		     const struct parquet_value &value)
{
	std::string_view bytes(value.text != nullptr ? value.text : "",
			       value.text_len);
	switch (type) {
	case PARQUET_INT32:
		return static_cast<arrow::Int32Builder *>(builder)->Append(
			static_cast<int32_t>(value.number));
	case PARQUET_INT64:
		return static_cast<arrow::Int64Builder *>(builder)->Append(
			value.number);
	case PARQUET_DOUBLE:
		return static_cast<arrow::DoubleBuilder *>(builder)->Append(
			value.real);
	case PARQUET_BOOL:
		return static_cast<arrow::BooleanBuilder *>(builder)->Append(
			value.number != 0);
	case PARQUET_BINARY:
		return static_cast<arrow::BinaryBuilder *>(builder)->Append(
			bytes);
	case PARQUET_TEXT:
		break;
	}
	return static_cast<arrow::StringBuilder *>(builder)->Append(bytes);
}

int fail(struct cah_error *err, const arrow::Status &status)
{
	if (status.IsOutOfMemory())
		return cah_fail(err, CAH_ENOMEM, "Parquet: out of memory");
	return cah_fail(err, CAH_EIO, "cannot write Parquet: %s",
			status.message().c_str());
}

/* What C calls goes through here: a Status or an exception becomes a code. */
template <typename Body> int guard(struct cah_error *err, Body body)
{
	try {
		arrow::Status status = body();
		return status.ok() ? static_cast<int>(CAH_OK)
				   : fail(err, status);
	} catch (const std::bad_alloc &) {
		return cah_fail(err, CAH_ENOMEM, "Parquet: out of memory");
	} catch (const std::exception &e) {
		return cah_fail(err, CAH_EIO, "cannot write Parquet: %s",
				e.what());
	} catch (...) {
		return cah_fail(err, CAH_EIO, "cannot write Parquet");
	}
}

/* Arrow's own asks a descriptor where it is, which a pipe cannot tell. */
class FdStream : public arrow::io::OutputStream
{
      public:
	explicit FdStream(int fd) : fd_(fd)
	{
	}

	arrow::Status Write(const void *data, int64_t len) override
	{
		const char *p = static_cast<const char *>(data);
		while (len > 0) {
			ssize_t n = write(fd_, p, static_cast<size_t>(len));
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return arrow::Status::IOError(strerror(errno));
			p += n;
			len -= n;
			position_ += n;
		}
		return arrow::Status::OK();
	}
	using arrow::io::OutputStream::Write;

	arrow::Status Close() override
	{
		closed_ = true;
		return arrow::Status::OK();
	}

	arrow::Result<int64_t> Tell() const override
	{
		return position_;
	}

	bool closed() const override
	{
		return closed_;
	}

      private:
	int fd_; /* borrowed */
	int64_t position_ = 0;
	bool closed_ = false;
};

} // namespace

struct parquet_writer {
	std::vector<enum parquet_type> types;
	std::vector<bool> nullable;
	std::shared_ptr<arrow::Schema> schema;
	std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders;
	std::shared_ptr<FdStream> sink;
	std::unique_ptr<parquet::arrow::FileWriter> file;
	int64_t rows = 0; /* gathered */
	size_t bytes = 0; /* of text among them */

	arrow::Status open(int fd, const struct parquet_column *columns,
			   size_t count);
	arrow::Status add(const struct parquet_value *row);
	arrow::Status flush();
	arrow::Status finish();
};

arrow::Status parquet_writer::open(int fd, const struct parquet_column *columns,
				   size_t count)
{
	arrow::MemoryPool *pool = arrow::default_memory_pool();
	std::vector<std::shared_ptr<arrow::Field>> fields;
	for (size_t i = 0; i < count; i++) {
		std::shared_ptr<arrow::DataType> type =
			type_of(columns[i].type);
		types.push_back(columns[i].type);
		nullable.push_back(columns[i].is_nullable);
		fields.push_back(arrow::field(columns[i].name, type,
					      columns[i].is_nullable));
		ARROW_ASSIGN_OR_RAISE(auto builder,
				      arrow::MakeBuilder(type, pool));
		builders.push_back(std::move(builder));
	}
	schema = arrow::schema(fields);
	sink = std::make_shared<FdStream>(fd);
	ARROW_ASSIGN_OR_RAISE(file, parquet::arrow::FileWriter::Open(
					    *schema, pool, sink, properties()));
	return file->AddKeyValueMetadata(
		arrow::key_value_metadata({"cah.version"}, {CAH_VERSION}));
}

arrow::Status parquet_writer::add(const struct parquet_value *row)
{
	for (size_t i = 0; i < builders.size(); i++) {
		if (row[i].is_null && nullable[i]) {
			ARROW_RETURN_NOT_OK(builders[i]->AppendNull());
			continue;
		}
		ARROW_RETURN_NOT_OK(
			append(builders[i].get(), types[i], row[i]));
		if (types[i] == PARQUET_TEXT || types[i] == PARQUET_BINARY)
			bytes += row[i].text_len;
	}
	rows++;
	if (rows >= GROUP_ROWS || bytes >= GROUP_BYTES)
		return flush();
	return arrow::Status::OK();
}

arrow::Status parquet_writer::flush()
{
	if (rows == 0)
		return arrow::Status::OK();
	std::vector<std::shared_ptr<arrow::Array>> arrays;
	for (auto &builder : builders) {
		ARROW_ASSIGN_OR_RAISE(auto array, builder->Finish());
		arrays.push_back(std::move(array));
	}
	auto batch = arrow::RecordBatch::Make(schema, rows, std::move(arrays));
	rows = 0;
	bytes = 0;
	ARROW_RETURN_NOT_OK(file->NewBufferedRowGroup());
	return file->WriteRecordBatch(*batch);
}

arrow::Status parquet_writer::finish()
{
	ARROW_RETURN_NOT_OK(flush());
	ARROW_RETURN_NOT_OK(file->Close());
	return sink->Close();
}

int parquet_open(struct parquet_writer **out, int fd,
		 const struct parquet_column *columns, size_t count,
		 struct cah_error *err)
{
	*out = nullptr;
	return guard(err, [&] {
		auto writer = std::make_unique<parquet_writer>();
		ARROW_RETURN_NOT_OK(writer->open(fd, columns, count));
		*out = writer.release();
		return arrow::Status::OK();
	});
}

int parquet_add(struct parquet_writer *writer, const struct parquet_value *row,
		struct cah_error *err)
{
	return guard(err, [&] { return writer->add(row); });
}

int parquet_finish(struct parquet_writer *writer, struct cah_error *err)
{
	return guard(err, [&] { return writer->finish(); });
}

void parquet_free(struct parquet_writer *writer)
{
	/* A writer that failed may fail again while it is taken apart. */
	(void)guard(nullptr, [&] {
		delete writer;
		return arrow::Status::OK();
	});
}
