/* The messages of a line with every content as a list of parts, and the line's media in the order of their places. */
#ifndef TS_DATA_MEDIA_PARTS_H
#define TS_DATA_MEDIA_PARTS_H
#include "base/json.h"
#include "media/processor.h"

typedef struct ts_media_parts {
    json_t *messages; /* [{"role", "content": [{"type": "text", "text"} or {"type": KIND, "is_marker": whether it
                       * stood in a text}, ...], ...}] */
    json_t *media;    /* [[KIND, PATH or [PATH, ...], number of its message], ...] */
} ts_media_parts;
/* line: as data/media/lines.h has it; what is not is TS_ERR_USER. is_prompt: without an answer at the end. */
ts_status ts_media_parts_read(const json_t *line, bool is_prompt, ts_media_parts *out) TS_NODISCARD;
void ts_media_parts_deinit(ts_media_parts *p);
/* The messages with each content a text, for templates that know no parts: media as the mark, behind which is a newline
 * where it was a part of its own. */
ts_status ts_media_parts_join(ts_media_parts *p, const char *mark) TS_NODISCARD;
#endif
