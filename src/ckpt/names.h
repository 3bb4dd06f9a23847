/* What the files and folders of a checkpoint are called; private to this folder. */
#ifndef TS_CKPT_NAMES_H
#define TS_CKPT_NAMES_H
#include "ckpt/checkpoint.h"

#define CKPT_TRACKER "latest_checkpointed_iteration.txt"
#define CKPT_MANIFEST "manifest.json"
#define CKPT_STATE "state.json"
#define CKPT_LOCK ".lock"

enum { CKPT_NAME = 96 }; /* room for the name of any file or folder made here */

/* "model", "optimizer". */
const char *ckpt_part_stem(ts_ckpt_part part);
/* DIR/iter_0000100 and its relatives: .tmp-iter_0000100 (being written or removed),
 * .old-iter_0000100 (moved aside while its successor takes the name). */
void ckpt_folder_name(char *out, const char *prefix, int64_t iteration);
/* The iteration of "iter_0000100" behind the prefix ("" or ".old-"); false for every other name. */
bool ckpt_folder_parse(const char *name, const char *prefix, int64_t *iteration);
bool ckpt_is_plain_name(const char *name);
/* The number in the tracker's text; false: not one. */
bool ckpt_tracker_parse(const char *text, size_t n, int64_t *iteration);
#endif
