#include "api/lm_media.h"

#include "base/file.h"
#include "model/families/vision.h"

#include <string.h>

bool ts_lm_sees(const ts_lm *lm, const json_t *record)
{
    return lm->model.decoder->arch.vision && json_is_array(json_object_get(record, "messages"));
}

static ts_status open_reader(ts_lm *lm, ts_lm_media *m, const char *input, const char *dir)
{
    const char *slash = strrchr(input, '/'), *folder = lm->model.tokens_folder ? lm->model.tokens_folder : lm->model.folder;
    TS_TRY(ts_lm_need_tokenizer(lm));
    TS_TRY(ts_vision_settle_token(lm->model.family, lm->tok.tok, &lm->model.decoder->arch));
    TS_TRY(ts_media_reader_open(folder, NULL, lm->tok.tok, &m->reader));
    m->is_open = true;
    return dir ? ts_str_puts(&m->base, dir) : slash ? ts_str_add(&m->base, input, (size_t)(slash - input) + 1) : ts_str_puts(&m->base, ".");
}

ts_status ts_lm_media_read(ts_lm *lm, ts_lm_media *m, const json_t *record, const char *input, const char *dir, bool is_prompt,
                           const char *where)
{
    if (!m->is_open)
        TS_TRY(open_reader(lm, m, input, dir));
    ts_picture_set_deinit(&m->set);
    TS_TRY(ts_media_reader_read(&m->reader, lm->scratch, record, m->base.s, is_prompt, &m->line));
    return ts_picture_set_of(&lm->model.decoder->arch, &m->line.media, m->line.ids.v, (int64_t)m->line.ids.n, where, &m->set);
}

void ts_lm_media_close(ts_lm_media *m)
{
    if (m->is_open)
        ts_media_reader_close(&m->reader);
    ts_media_line_deinit(&m->line);
    ts_picture_set_deinit(&m->set);
    ts_str_deinit(&m->base);
}
