/* From one form into another by way of a Hugging Face folder, which stands beside the result while it is made. */
#ifndef TS_CONVERT_THROUGH_H
#define TS_CONVERT_THROUGH_H
#include "convert/convert.h"

/* Whether a folder's weights are of few bits (bitsandbytes', FP8, FP4, MXFP4), which other forms do not have. */
bool ts_convert_is_packed(const ts_convert_model *m);
/* Writes m into a folder as `to` says, weights of few bits as their values, converts that as `from` says, and removes it.
 * beside: what is made; the folder in between has its name with .tmp and the process's number behind it, and in that the name of
 * what was read. */
ts_status ts_convert_through(const char *beside, ts_convert_options *to, ts_convert_options *from, ts_convert_model *m,
                             ts_convert_result *r) TS_NODISCARD;
#endif
