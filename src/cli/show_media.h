/* What `data show` says of media. */
#ifndef TS_CLI_SHOW_MEDIA_H
#define TS_CLI_SHOW_MEDIA_H
#include "base/status.h"

#include <stdbool.h>

typedef struct ts_show_media {
    const char *media;     /* a picture, a clip or a sound */
    const char *tensors;   /* where its bytes go; NULL: nowhere */
    bool json;             /* one line of JSON instead of words */
} ts_show_media;

/* Decodes the file as every command does, writes and prints what there is. */
ts_status ts_show_media_file(const ts_show_media *o) TS_NODISCARD;
#endif
