/* What `data show` says of media. */
#ifndef TS_CLI_SHOW_MEDIA_H
#define TS_CLI_SHOW_MEDIA_H
#include "base/status.h"

#include <stdbool.h>

typedef struct ts_show_media {
    const char *media;     /* one file */
    const char *input;     /* lines of conversations with media */
    const char *media_dir; /* where relative paths of lines count from; NULL: the folder of the input */
    const char *tensors;   /* where bytes go; NULL: nowhere */
    bool json;             /* of one file: a line of JSON instead of words */
} ts_show_media;

/* Decodes the file as every command does, writes and prints what there is. */
ts_status ts_show_media_file(const ts_show_media *o) TS_NODISCARD;
/* What a model reads of each line: ids, labels, media. load: its folder; now: for its template; output: JSON lines, NULL:
 * they are printed for people. */
ts_status ts_show_media_lines(const ts_show_media *o, const char *load, const char *now, const char *output) TS_NODISCARD;
#endif
