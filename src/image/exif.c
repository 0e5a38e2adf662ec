/* EXIF is a TIFF file in miniature (CIPA DC-008, Exif 2.32, 4.6): a header with
 * the byte order and the offset of the first directory, in it entries of 12
 * bytes. Every offset is somebody else's, so each read is checked. */
#include "image/exif.h"

#include <stdint.h>

enum {
	HEADER_LEN = 8, /* bytes: "II" or "MM", 42, offset of the directory */
	ENTRY_LEN = 12, /* bytes: tag, type, count, value */
	TAG_ORIENTATION = 0x0112,
	TYPE_BYTE = 1,
	TYPE_SHORT = 3,
	TYPE_LONG = 4,
	ORIENTATION_MAX = 8,
};

struct tiff {
	const uint8_t *data;
	size_t len;
	bool is_little; /* endian */
};

/* The number of @len bytes (at most 4) at @at; 0 past the end. */
static uint32_t get(const struct tiff *tiff, size_t at, size_t len)
{
	if (at > tiff->len || len > tiff->len - at)
		return 0;
	uint32_t value = 0;
	for (size_t i = 0; i < len; i++) {
		size_t from = tiff->is_little ? len - 1 - i : i;
		value = value << 8 | tiff->data[at + from];
	}
	return value;
}

static int entry_value(const struct tiff *tiff, size_t at)
{
	/* A value of up to 4 bytes stands in the entry itself, left-justified
	 * whatever the byte order. */
	size_t len = 0;
	switch (get(tiff, at + 2, 2)) {
	case TYPE_BYTE:
		len = 1;
		break;
	case TYPE_SHORT:
		len = 2;
		break;
	case TYPE_LONG:
		len = 4;
		break;
	default:
		return 1;
	}
	uint32_t value = get(tiff, at + 8, len);
	return value >= 1 && value <= ORIENTATION_MAX ? (int)value : 1;
}

int exif_orientation(struct slice exif)
{
	struct slice mark = SLICE("Exif\0\0");
	if (slice_starts(exif, mark))
		exif = slice_from(exif, mark.len);
	if (exif.len < HEADER_LEN)
		return 1;

	struct tiff tiff = {(const uint8_t *)exif.data, exif.len, true};
	if (slice_starts(exif, SLICE("MM\0*")))
		tiff.is_little = false;
	else if (!slice_starts(exif, SLICE("II*\0")))
		return 1;

	size_t at = get(&tiff, 4, 4);
	uint32_t count = get(&tiff, at, 2);
	at += 2;
	for (uint32_t i = 0; i < count && at < tiff.len; i++) {
		if (get(&tiff, at, 2) == TAG_ORIENTATION)
			return entry_value(&tiff, at);
		at += ENTRY_LEN;
	}
	return 1;
}
