/* EXIF is a TIFF file in miniature (CIPA DC-008, Exif 2.32, 4.6): a header with
 * the byte order and the offset of the first directory, in it entries of 12
 * bytes. */
#include "image/exif.h"

enum {
	HEADER_LEN = 8, /* bytes: "II" or "MM", 42, offset of the directory */
	TAG_ORIENTATION = 0x0112,
	TYPE_BYTE = 1,
	TYPE_SHORT = 3,
	TYPE_LONG = 4,
	ORIENTATION_MAX = 8,
};

bool exif_open(struct exif *exif, struct slice bytes)
{
	struct slice mark = SLICE("Exif\0\0");
	if (slice_starts(bytes, mark))
		bytes = slice_from(bytes, mark.len);
	if (bytes.len < HEADER_LEN)
		return false;
	bool is_little = slice_starts(bytes, SLICE("II*\0"));
	*exif = (struct exif){(const uint8_t *)bytes.data, bytes.len,
			      is_little};
	return is_little || slice_starts(bytes, SLICE("MM\0*"));
}

uint32_t exif_get(const struct exif *exif, size_t at, size_t len)
{
	if (at > exif->len || len > exif->len - at)
		return 0;
	uint32_t value = 0;
	for (size_t i = 0; i < len; i++) {
		size_t from = exif->is_little ? len - 1 - i : i;
		value = value << 8 | exif->data[at + from];
	}
	return value;
}

static int entry_value(const struct exif *exif, size_t at)
{
	/* A value of up to 4 bytes stands in the entry itself, left-justified
	 * whatever the byte order. */
	size_t len = 0;
	switch (exif_get(exif, at + 2, 2)) {
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
	uint32_t value = exif_get(exif, at + 8, len);
	return value >= 1 && value <= ORIENTATION_MAX ? (int)value : 1;
}

int exif_orientation(struct slice bytes)
{
	struct exif exif;
	if (!exif_open(&exif, bytes))
		return 1;
	size_t at = exif_get(&exif, 4, 4);
	uint32_t count = exif_get(&exif, at, 2);
	at += 2;
	for (uint32_t i = 0; i < count && at < exif.len; i++) {
		if (exif_get(&exif, at, 2) == TAG_ORIENTATION)
			return entry_value(&exif, at);
		at += EXIF_ENTRY_LEN;
	}
	return 1;
}
