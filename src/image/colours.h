/* colours.h: ICC profiles to sRGB, by Little CMS; private to this folder. Any
 * thread. What is wrong with a profile, or is neither for RGB, grey nor CMYK,
 * is as if there were none. */
#ifndef IMAGE_COLOURS_H
#define IMAGE_COLOURS_H

#include <stddef.h>
#include <stdint.h>

struct colours;

/* Converts @count pixels of RGB (or of grey, thrice) in their place. */
void colours_to_srgb(uint8_t *rgb, size_t count, const uint8_t *profile,
		     size_t len);

/* For a profile of CMYK; NULL where it is none. The caller frees it. */
struct colours *colours_of_inks(const uint8_t *profile, size_t len);
void colours_free(struct colours *colours);

/* @inks are four bytes a pixel, the complement as Adobe stores it; @rgb gets
 * three. */
void colours_convert(const struct colours *colours, uint8_t *rgb,
		     const uint8_t *inks, size_t count);

#endif
