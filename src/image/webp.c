/* WebP by libwebp (RFC 9649; webp/decode.h, webp/demux.h). */
#include "image/codec.h"

#include <stdlib.h>
#include <webp/decode.h>
#include <webp/demux.h>

/* Where the first frame lies on the canvas. A picture that is no animation has
 * one frame, as large as the canvas. */
struct place {
	size_t x, y;          /* pixels */
	size_t width, height; /* of the canvas */
	int channels;
};

static void find_notes(const WebPDemuxer *demuxer, struct codec_notes *notes)
{
	WebPChunkIterator chunk;
	if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk))
		codec_note_exif(notes,
				(struct slice){(const char *)chunk.chunk.bytes,
					       chunk.chunk.size});
	WebPDemuxReleaseChunkIterator(&chunk);
	if (WebPDemuxGetChunk(demuxer, "ICCP", 1, &chunk))
		codec_note_profile(
			notes, (struct slice){(const char *)chunk.chunk.bytes,
					      chunk.chunk.size});
	WebPDemuxReleaseChunkIterator(&chunk);
}

/* NULL when it cannot be decoded; *fate says why. */
static uint8_t *decode_frame(const WebPIterator *frame,
			     const struct place *place, enum fate *fate)
{
	uint8_t *canvas = codec_alloc((int)place->width, (int)place->height,
				      place->channels);
	if (canvas == NULL) {
		*fate = CAH_FATE_INTERNAL;
		return NULL;
	}
	size_t len = place->width * place->height * (size_t)place->channels;
	size_t stride = place->width * (size_t)place->channels;
	size_t start = place->y * stride + place->x * (size_t)place->channels;
	WebPDecoderConfig config;
	if (!WebPInitDecoderConfig(&config))
		abort();
	config.output.colorspace = place->channels == 4 ? MODE_RGBA : MODE_RGB;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = canvas + start;
	config.output.u.RGBA.stride = (int)stride;
	config.output.u.RGBA.size = len - start;
	VP8StatusCode rc = WebPDecode(frame->fragment.bytes,
				      frame->fragment.size, &config);
	WebPFreeDecBuffer(&config.output);
	if (rc == VP8_STATUS_OK)
		return canvas;
	*fate = rc == VP8_STATUS_OUT_OF_MEMORY ? CAH_FATE_INTERNAL
					       : CAH_FATE_BROKEN_IMAGE;
	free(canvas);
	return NULL;
}

static enum fate decode(struct image *out, const WebPDemuxer *demuxer,
			int width, int height)
{
	WebPIterator frame;
	if (!WebPDemuxGetFrame(demuxer, 1, &frame) || !frame.complete ||
	    frame.x_offset < 0 || frame.y_offset < 0 ||
	    frame.x_offset > width - frame.width ||
	    frame.y_offset > height - frame.height) {
		WebPDemuxReleaseIterator(&frame);
		return CAH_FATE_BROKEN_IMAGE;
	}
	/* What a smaller first frame leaves free is clear. */
	bool is_clear = frame.has_alpha || frame.width != width ||
			frame.height != height;
	struct place place = {(size_t)frame.x_offset, (size_t)frame.y_offset,
			      (size_t)width, (size_t)height, is_clear ? 4 : 3};
	enum fate fate = CAH_FATE_KEPT;
	uint8_t *pixels = decode_frame(&frame, &place, &fate);
	WebPDemuxReleaseIterator(&frame);
	if (pixels == NULL)
		return fate;
	codec_give(out, pixels, width, height, is_clear);
	return CAH_FATE_KEPT;
}

enum fate webp_decode(struct image *out, struct codec_notes *notes,
		      struct slice bytes, const struct image_limits *limits)
{
	WebPBitstreamFeatures features;
	if (WebPGetFeatures((const uint8_t *)bytes.data, bytes.len,
			    &features) != VP8_STATUS_OK)
		return CAH_FATE_BROKEN_IMAGE;
	enum fate fate =
		codec_check_size(features.width, features.height, limits);
	if (fate != CAH_FATE_KEPT)
		return fate;

	/* Copies nothing; NULL for a file that is not whole. */
	WebPData data = {(const uint8_t *)bytes.data, bytes.len};
	WebPDemuxer *demuxer = WebPDemux(&data);
	if (demuxer == NULL)
		return CAH_FATE_BROKEN_IMAGE;
	fate = decode(out, demuxer, features.width, features.height);
	if (fate == CAH_FATE_KEPT)
		find_notes(demuxer, notes);
	WebPDemuxDelete(demuxer);
	return fate;
}
