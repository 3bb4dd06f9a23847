/* Lines with pictures and clips, for an opened model. */
#ifndef TS_API_LM_MEDIA_H
#define TS_API_LM_MEDIA_H
#include "api/lm.h"
#include "base/json.h"
#include "data/media/lines.h"
#include "model/pictures.h"

typedef struct ts_lm_media {
    ts_media_reader reader;
    bool is_open;
    ts_str base;          /* the folder that relative paths count from */
    ts_media_line line;   /* the last one */
    ts_picture_set set;   /* and its pictures */
} ts_lm_media;

/* Whether a record is such a line, and the model one for it. */
bool ts_lm_sees(const ts_lm *lm, const json_t *record);
/* input: the file of the lines; dir: counts instead of its folder, or NULL. Reads a line (ts_media_reader_read), opening
 * what is needed with the first; where: for messages. */
ts_status ts_lm_media_read(ts_lm *lm, ts_lm_media *m, const json_t *record, const char *input, const char *dir, bool is_prompt,
                           const char *where) TS_NODISCARD;
void ts_lm_media_close(ts_lm_media *m);
#endif
