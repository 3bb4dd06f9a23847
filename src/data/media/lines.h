/* Lines of conversations with pictures, clips and sounds (and Whisper's, of a sound and its text) as what a model is
 * trained on or asked: ids, labels, and the tensors of its towers.
 *
 * A line has "messages", whose "content" is a text or a list of parts: {"type": "text", "text"}, {"type": "image",
 * "image": PATH}, likewise video and audio; the path may stand under "path" or "url" too, or as {"type": "image_url",
 * "image_url": {"url": PATH}}, and a picture may be a data: URL with base64. A video may be a list of paths of pictures.
 * Texts may hold the markers <image>, <video>, <audio>, which stand for the line's lists "images", "videos", "audios" in
 * order. "use_audio_in_video": true: clips bring their sound. Whisper's lines have "audio", "text", "language", "task". */
#ifndef TS_DATA_MEDIA_LINES_H
#define TS_DATA_MEDIA_LINES_H
#include "base/json.h"
#include "media/processor.h"
#include "text/chat/template.h"
#include "text/text_options.h"

typedef struct ts_media_reader {
    const ts_tokenizer *tok; /* borrowed */
    ts_media_processor *processor;
    ts_chat_template template; /* not of Whisper */
    bool is_whisper;
    ts_ids ends;    /* generation_config.json's, else the tokenizer's */
    int32_t start;  /* Whisper: the decoder's first id */
    ts_ids before;  /* what the tokenizer puts before a text */
} ts_media_reader;

/* What one line says; zero-initialise. */
typedef struct ts_media_line {
    ts_ids ids;
    /* As many: the id at its own place where it is trained, else -100. Of Whisper the next id, as its decoder is shifted. */
    ts_ids labels;
    ts_media_sample media;
} ts_media_line;
void ts_media_line_deinit(ts_media_line *l);

/* folder: the model's. now: as ts_chat_now has it. tok is borrowed while the reader lives. A folder whose model reads no
 * media is TS_ERR_USER. Only read afterwards. */
ts_status ts_media_reader_open(const char *folder, const char *now, const ts_tokenizer *tok, ts_media_reader *out) TS_NODISCARD;
void ts_media_reader_close(ts_media_reader *r);
/* base: the folder that relative paths count from. is_prompt: the last answer is left away and the beginning of one stands
 * in its place; Whisper's line is read without its text. out is emptied first. Mistakes are TS_ERR_USER that name the
 * field and the medium, not the line. scratch: of tok, one a thread. */
ts_status ts_media_reader_read(const ts_media_reader *r, ts_tokenizer_scratch *scratch, const json_t *line, const char *base,
                               bool is_prompt, ts_media_line *out) TS_NODISCARD;
#endif
