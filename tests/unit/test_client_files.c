#include "base/buf.h"
#include "base/file.h"
#include "client/untar.h"
#include "client/unzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* The test's own folder; its child "in" is where archives are unpacked. */
static char folder[64];
static char inside[80];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/cah-files-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(inside, sizeof(inside), "%s/in", folder);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Adds a gzip member that holds @text. */
static void add_member(struct buf *out, const char *text)
{
	unsigned char packed[1024];
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	z.next_in = (unsigned char *)text;
	z.avail_in = (uInt)strlen(text);
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(out, packed, sizeof(packed) - z.avail_out);
	deflateEnd(&z);
}

static int unzip(const struct buf *packed, int64_t max, char *path)
{
	struct unzip_options options = {.max = max};
	int fd = memory_file(packed->data, packed->len);
	(void)sprintf(path, "%s/wat", folder);
	int rc = unzip_file(fd, path, &options, NULL);
	close(fd);
	return rc;
}

static void unzip__joins_members_and_ignores_padding(void **state)
{
	struct buf packed, plain;
	char path[128];
	(void)state;
	buf_init(&packed, 65536);
	buf_init(&plain, 65536);
	add_member(&packed, "one ");
	add_member(&packed, "");
	add_member(&packed, "two");
	buf_add(&packed, "\0\0\0\0", 4);
	assert_int_equal(unzip(&packed, 100, path), CAH_OK);
	assert_int_equal(file_read(&plain, path, NULL), CAH_OK);
	assert_string_equal(plain.data, "one two");
	buf_fini(&plain);
	buf_fini(&packed);
}

static void unzip__leaves_nothing_of_what_is_broken(void **state)
{
	struct buf good, bad;
	char path[128];
	(void)state;
	buf_init(&good, 65536);
	buf_init(&bad, 65536);
	add_member(&good, "a text that is long enough to be cut");
	for (size_t len = 0; len < good.len; len++) {
		buf_reset(&bad);
		buf_add(&bad, good.data, len);
		assert_int_equal(unzip(&bad, 1000, path), CAH_EFORMAT);
		assert_int_equal(access(path, F_OK), -1);
	}
	buf_reset(&bad);
	buf_add_slice(&bad, buf_slice(&good));
	bad.data[good.len - 6] ^= 1; /* in the checksum */
	assert_int_equal(unzip(&bad, 1000, path), CAH_EFORMAT);
	buf_reset(&bad);
	buf_add_slice(&bad, buf_slice(&good));
	buf_add_text(&bad, "and more");
	assert_int_equal(unzip(&bad, 1000, path), CAH_EFORMAT);
	assert_int_equal(unzip(&good, 10, path), CAH_ELIMIT);
	assert_int_equal(access(path, F_OK), -1);
	buf_fini(&good);
	buf_fini(&bad);
}

static void untar__says_which_paths_are_safe(void **state)
{
	static const struct {
		const char *path;
		int rc;
	} rows[] = {
		{"a", CAH_OK},           {"a/b.jpg", CAH_OK},
		{"./a", CAH_OK},         {"a//b", CAH_OK},
		{"a/", CAH_OK},          {"..a", CAH_OK},
		{"a/...", CAH_OK},       {"\\..\\a", CAH_OK},
		{"", CAH_EFORMAT},       {"/", CAH_EFORMAT},
		{"/a", CAH_EFORMAT},     {".", CAH_EFORMAT},
		{"..", CAH_EFORMAT},     {"../a", CAH_EFORMAT},
		{"./../a", CAH_EFORMAT}, {"a/../../b", CAH_EFORMAT},
		{"a/..", CAH_EFORMAT},   {"a/./b", CAH_EFORMAT},
		{".//", CAH_EFORMAT},
	};
	char deep[2 * UNTAR_DEPTH_MAX + 8];
	char name[UNTAR_NAME_MAX + 2];
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (untar_check_path(rows[i].path, NULL) != rows[i].rc)
			fail_msg("%s", rows[i].path);
	deep[0] = '\0';
	for (int i = 0; i <= UNTAR_DEPTH_MAX; i++)
		(void)strcat(deep, "d/");
	assert_int_equal(untar_check_path(deep, NULL), CAH_ELIMIT);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(untar_check_path(name, NULL), CAH_ELIMIT);
}

struct entry {
	const char *path;
	mode_t type;
	const char *link; /* hard where type is AE_IFREG */
	const char *data;
};

/* The archive in memory; filter 0: plain. */
static int make_tar(const struct entry *entries, int filter)
{
	static char memory[256 * 1024];
	size_t used = 0;
	struct archive *a = archive_write_new();
	assert_int_equal(archive_write_set_format_pax_restricted(a), 0);
	assert_int_equal(archive_write_add_filter(a, filter), 0);
	assert_int_equal(
		archive_write_open_memory(a, memory, sizeof(memory), &used), 0);
	for (; entries->path != NULL; entries++) {
		struct archive_entry *e = archive_entry_new();
		size_t len = entries->data != NULL ? strlen(entries->data) : 0;
		archive_entry_set_pathname(e, entries->path);
		archive_entry_set_filetype(e, entries->type);
		archive_entry_set_perm(e, 04755);
		archive_entry_set_size(e, (la_int64_t)len);
		if (entries->link != NULL && entries->type == AE_IFLNK)
			archive_entry_set_symlink(e, entries->link);
		else if (entries->link != NULL)
			archive_entry_set_hardlink(e, entries->link);
		assert_int_equal(archive_write_header(a, e), 0);
		if (len > 0)
			assert_int_equal(
				archive_write_data(a, entries->data, len), len);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), 0);
	archive_write_free(a);
	return memory_file(memory, used);
}

static int untar(int fd, int64_t max_bytes, int64_t max_entries)
{
	struct untar_options options = {.max_bytes = max_bytes,
					.max_entries = max_entries};
	struct cah_error err = {0};
	int rc = untar_into(inside, fd, &options, &err);
	close(fd);
	assert_int_equal(rc, err.code);
	return rc;
}

static void expect_file(const char *name, const char *text)
{
	struct buf data;
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", inside, name);
	buf_init(&data, 65536);
	assert_int_equal(file_read(&data, path, NULL), CAH_OK);
	assert_int_equal(data.len, strlen(text));
	assert_true(data.len == 0 || memcmp(data.data, text, data.len) == 0);
	buf_fini(&data);
}

static void untar__unpacks_every_packing(void **state)
{
	static const struct entry entries[] = {
		{"./", AE_IFDIR, NULL, NULL},
		{"a.jpg", AE_IFREG, NULL, "first"},
		{"deep/er/b.jpg", AE_IFREG, NULL, "second"},
		{"empty/", AE_IFDIR, NULL, NULL},
		{"a.jpg", AE_IFREG, NULL, "again"},
		{NULL, 0, NULL, NULL},
	};
	static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP,
				      ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ,
				      ARCHIVE_FILTER_ZSTD};
	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct stat st;
		char path[128];
		assert_int_equal(untar(make_tar(entries, filters[i]), 100, 10),
				 CAH_OK);
		expect_file("a.jpg", "again");
		expect_file("deep/er/b.jpg", "second");
		(void)snprintf(path, sizeof(path), "%s/a.jpg", inside);
		assert_int_equal(stat(path, &st), 0);
		/* No bits of the archive's: not executable, no set-uid. */
		assert_int_equal(st.st_mode & 07111, 0);
		(void)snprintf(path, sizeof(path), "%s/empty", inside);
		assert_int_equal(rmdir(path), 0);
	}
}

static void untar__writes_nothing_of_an_archive_with_one_bad_entry(void **state)
{
	static const struct entry bad[] = {
		{"../evil", AE_IFREG, NULL, "x"},
		{"/tmp/cah-evil", AE_IFREG, NULL, "x"},
		{"a/../../evil", AE_IFREG, NULL, "x"},
		{"link", AE_IFLNK, "..", NULL},
		{"link", AE_IFLNK, "/etc/passwd", NULL},
		{"hard", AE_IFREG, "good", NULL},
		{"hard", AE_IFREG, "/etc/passwd", NULL},
		{"device", AE_IFCHR, NULL, NULL},
		{"block", AE_IFBLK, NULL, NULL},
		{"fifo", AE_IFIFO, NULL, NULL},
		{"good", AE_IFDIR, NULL, NULL},
		{"./good//deep/er", AE_IFREG, NULL, "x"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct entry entries[] = {
			{"good", AE_IFREG, NULL, "x"},
			bad[i],
			{NULL, 0, NULL, NULL},
		};
		char path[128];
		if (untar(make_tar(entries, 0), 100, 10) != CAH_EFORMAT)
			fail_msg("%s", bad[i].path);
		assert_int_equal(access(inside, F_OK), -1);
		(void)snprintf(path, sizeof(path), "%s/evil", folder);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void untar__follows_no_link_that_lies_in_its_folder(void **state)
{
	static const struct entry entries[] = {
		{"out/a", AE_IFREG, NULL, "x"},
		{NULL, 0, NULL, NULL},
	};
	static const struct entry over[] = {
		{"out", AE_IFREG, NULL, "x"},
		{NULL, 0, NULL, NULL},
	};
	char link[128], target[128];
	(void)state;
	(void)snprintf(link, sizeof(link), "%s/out", inside);
	(void)snprintf(target, sizeof(target), "%s/target", folder);
	assert_int_equal(mkdir(inside, 0755), 0);
	assert_int_equal(mkdir(target, 0755), 0);
	assert_int_equal(symlink("../target", link), 0);
	assert_int_equal(untar(make_tar(entries, 0), 100, 10), CAH_EIO);
	assert_int_equal(rmdir(target), 0);
	/* A file in its place replaces the link, not what it leads to. */
	assert_int_equal(untar(make_tar(over, 0), 100, 10), CAH_OK);
	expect_file("out", "x");
	assert_int_equal(access(target, F_OK), -1);
}

static void untar__keeps_to_its_limits(void **state)
{
	static const struct entry entries[] = {
		{"a", AE_IFREG, NULL, "12345"},
		{"b", AE_IFREG, NULL, "12345"},
		{NULL, 0, NULL, NULL},
	};
	(void)state;
	assert_int_equal(untar(make_tar(entries, 0), 9, 10), CAH_ELIMIT);
	assert_int_equal(untar(make_tar(entries, 0), 10, 1), CAH_ELIMIT);
	assert_int_equal(access(inside, F_OK), -1);
	assert_int_equal(untar(make_tar(entries, 0), 10, 2), CAH_OK);
}

static void untar__refuses_what_is_no_tar_or_only_a_part(void **state)
{
	char big[3000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	const struct entry entries[] = {
		{"a", AE_IFREG, NULL, big},
		{NULL, 0, NULL, NULL},
	};
	(void)state;
	assert_int_equal(untar(memory_file("no tar at all", 13), 100, 10),
			 CAH_EFORMAT);
	int fd = make_tar(entries, 0);
	assert_int_equal(ftruncate(fd, 512 + 1000), 0);
	assert_int_equal(untar(fd, 10000, 10), CAH_EFORMAT);
	fd = make_tar(entries, ARCHIVE_FILTER_GZIP);
	assert_int_equal(ftruncate(fd, 60), 0);
	assert_int_equal(untar(fd, 10000, 10), CAH_EFORMAT);
	assert_int_equal(access(inside, F_OK), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(unzip__joins_members_and_ignores_padding),
		TEST(unzip__leaves_nothing_of_what_is_broken),
		TEST(untar__says_which_paths_are_safe),
		TEST(untar__unpacks_every_packing),
		TEST(untar__writes_nothing_of_an_archive_with_one_bad_entry),
		TEST(untar__follows_no_link_that_lies_in_its_folder),
		TEST(untar__keeps_to_its_limits),
		TEST(untar__refuses_what_is_no_tar_or_only_a_part),
	};
	return cmocka_run_group_tests_name("client_files", tests, NULL, NULL);
}
