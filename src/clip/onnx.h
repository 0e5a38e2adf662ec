/* onnx.h: whether a file is an ONNX model, as far as its outermost layer says.
 * Any thread. */
#ifndef CLIP_ONNX_H
#define CLIP_ONNX_H

#include <cah/error.h>

/* OpenVINO tries whatever format it knows on a file that is not ONNX, and
 * some of those readers print. So it only gets what has the fields of a
 * ModelProto (onnx.proto), each within the file, a graph among them.
 * Errors: CAH_ENOTFOUND, CAH_EFORMAT, CAH_EIO. */
CAH_MUST_CHECK int onnx_check(const char *path, struct cah_error *err);

#endif
