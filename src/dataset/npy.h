/* npy.h: rows of float16 into a NumPy file. One owner; no locks. */
#ifndef DATASET_NPY_H
#define DATASET_NPY_H

#include "base/file.h"

#include <stdint.h>

/* The nearest half-precision number, ties to even (IEEE 754 binary16), as its
 * bits. */
uint16_t npy_half(float value);

struct npy;

/* Begins on @file (borrowed, nothing written yet) an array of rows of
 * @dimension numbers. The caller frees *out. Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int npy_new(struct npy **out, struct file *file, int dimension,
			   struct cah_error *err);

/* Adds a row of dimension numbers. Errors: CAH_EIO. */
CAH_MUST_CHECK int npy_add(struct npy *npy, const float *row,
			   struct cah_error *err);

/* Writes what is left, and the number of rows into the header.
 * Errors: CAH_EIO. */
CAH_MUST_CHECK int npy_finish(struct npy *npy, struct cah_error *err);

/* NULL is fine. */
void npy_free(struct npy *npy);

#endif
