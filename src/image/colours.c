/* ICC.1:2022 by Little CMS (lcms2.h). Perceptual intent, as Pillow's ImageCms
 * without options. */
#include "image/colours.h"

#include <lcms2.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
	LEVELS = 256,
	STEPS = 5, /* of each colour, when a profile is tried out */
	SAMPLES = STEPS * STEPS * STEPS,
};

struct colours {
	cmsContext context;
	cmsHTRANSFORM transform;
};

static void say_nothing(cmsContext context, cmsUInt32Number code,
			const char *text)
{
	(void)context;
	(void)code;
	(void)text;
}

void colours_free(struct colours *colours)
{
	if (colours == NULL)
		return;
	if (colours->transform != NULL)
		cmsDeleteTransform(colours->transform);
	if (colours->context != NULL)
		cmsDeleteContext(colours->context);
	free(colours);
}

/* What @profile's colours are made of: 0 where it cannot be read. */
static cmsColorSpaceSignature space_of(cmsHPROFILE profile)
{
	return profile != NULL ? cmsGetColorSpace(profile)
			       : (cmsColorSpaceSignature)0;
}

static cmsUInt32Number type_of(cmsColorSpaceSignature space)
{
	if (space == cmsSigRgbData)
		return TYPE_RGB_8;
	if (space == cmsSigGrayData)
		return TYPE_GRAY_8;
	return TYPE_CMYK_8_REV;
}

/* NULL where the profile is not for @first or @second. */
static struct colours *open_profile(const uint8_t *profile, size_t len,
				    cmsColorSpaceSignature first,
				    cmsColorSpaceSignature second)
{
	struct colours *colours = calloc(1, sizeof(*colours));
	if (colours == NULL)
		return NULL;
	/* One for each: nothing is shared, and nothing is said. */
	colours->context = cmsCreateContext(NULL, NULL);
	cmsSetLogErrorHandlerTHR(colours->context, say_nothing);
	cmsHPROFILE from = cmsOpenProfileFromMemTHR(colours->context, profile,
						    (cmsUInt32Number)len);
	cmsHPROFILE to = cmsCreate_sRGBProfileTHR(colours->context);
	cmsColorSpaceSignature space = space_of(from);
	if (to != NULL && (space == first || space == second))
		colours->transform = cmsCreateTransformTHR(
			colours->context, from, type_of(space), to, TYPE_RGB_8,
			INTENT_PERCEPTUAL, cmsFLAGS_NOCACHE);
	if (from != NULL)
		cmsCloseProfile(from);
	if (to != NULL)
		cmsCloseProfile(to);
	if (colours->transform != NULL)
		return colours;
	colours_free(colours);
	return NULL;
}

/* Most profiles are sRGB's own, and to convert by them costs and changes
 * nothing. */
static bool changes_anything(const struct colours *colours)
{
	uint8_t in[SAMPLES * 3], out[SAMPLES * 3];
	uint8_t *p = in;
	for (int i = 0; i < SAMPLES; i++) {
		const int steps[] = {i / STEPS / STEPS, i / STEPS % STEPS,
				     i % STEPS};
		for (int c = 0; c < 3; c++)
			*p++ = (uint8_t)(steps[c] * (LEVELS - 1) / (STEPS - 1));
	}
	cmsDoTransform(colours->transform, in, out, SAMPLES);
	for (int i = 0; i < SAMPLES * 3; i++)
		if (abs(in[i] - out[i]) > 1)
			return true;
	return false;
}

static void convert_grey(const struct colours *colours, uint8_t *rgb,
			 size_t count)
{
	uint8_t in[LEVELS], out[LEVELS][3];
	for (int i = 0; i < LEVELS; i++)
		in[i] = (uint8_t)i;
	cmsDoTransform(colours->transform, in, out, LEVELS);
	for (size_t i = 0; i < count; i++, rgb += 3) {
		const uint8_t *to = out[rgb[0]];
		rgb[0] = to[0];
		rgb[1] = to[1];
		rgb[2] = to[2];
	}
}

static bool is_grey(const uint8_t *rgb, size_t count)
{
	for (size_t i = 0; i < count; i++, rgb += 3)
		if (rgb[0] != rgb[1] || rgb[0] != rgb[2])
			return false;
	return true;
}

void colours_to_srgb(uint8_t *rgb, size_t count, const uint8_t *profile,
		     size_t len)
{
	struct colours *colours =
		len > 0 ? open_profile(profile, len, cmsSigRgbData,
				       cmsSigGrayData)
			: NULL;
	if (colours == NULL)
		return;
	bool is_of_grey =
		cmsGetTransformInputFormat(colours->transform) == TYPE_GRAY_8;
	if (is_of_grey && is_grey(rgb, count))
		convert_grey(colours, rgb, count);
	else if (!is_of_grey && changes_anything(colours))
		for (size_t done = 0; done < count; done += INT16_MAX) {
			size_t rest = count - done;
			size_t part = rest < INT16_MAX ? rest : INT16_MAX;
			cmsDoTransform(colours->transform, rgb + done * 3,
				       rgb + done * 3, (cmsUInt32Number)part);
		}
	colours_free(colours);
}

struct colours *colours_of_inks(const uint8_t *profile, size_t len)
{
	return len > 0 ? open_profile(profile, len, cmsSigCmykData,
				      cmsSigCmykData)
		       : NULL;
}

void colours_convert(const struct colours *colours, uint8_t *rgb,
		     const uint8_t *inks, size_t count)
{
	cmsDoTransform(colours->transform, inks, rgb, (cmsUInt32Number)count);
}
