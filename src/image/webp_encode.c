/* WebP, lossy, by libwebp (RFC 9649; webp/encode.h). */
#include "image/codec.h"

#include <stdlib.h>
#include <webp/encode.h>

/* The library's own writer allocates in a way that only newer versions can
 * free. */
static int take(const uint8_t *data, size_t len, const WebPPicture *picture)
{
	struct codec_file *out = picture->custom_ptr;
	uint8_t *grown = realloc(out->data, out->len + len);
	if (grown == NULL)
		return 0;
	memcpy(grown + out->len, data, len);
	out->data = grown;
	out->len += len;
	return 1;
}

bool webp_encode(struct codec_file *out, const struct image *image, int quality)
{
	*out = (struct codec_file){0};
	WebPConfig config;
	WebPPicture picture;
	if (!WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float)quality) ||
	    !WebPPictureInit(&picture))
		abort();
	picture.width = image->width;
	picture.height = image->height;
	picture.writer = take;
	picture.custom_ptr = out;
	bool is_done =
		WebPPictureImportRGB(&picture, image->rgb, image->width * 3) &&
		WebPEncode(&config, &picture);
	WebPPictureFree(&picture);
	if (!is_done) {
		free(out->data);
		*out = (struct codec_file){0};
	}
	return is_done;
}
