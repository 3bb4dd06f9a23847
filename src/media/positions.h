/* M-RoPE: the three positions (time, height, width) of each id of a text with media. */
#ifndef TS_MEDIA_POSITIONS_H
#define TS_MEDIA_POSITIONS_H
#include "media/processor.h"

/* Where the text behind a picture or a clip goes on. */
typedef enum ts_positions_after {
    TS_AFTER_LARGEST, /* behind the largest position in it: the rule that published weights were trained by */
    TS_AFTER_EXTENT,  /* behind as many as its longer side has cells, whatever its time: transformers 5 */
} ts_positions_after;

/* ids [n]: the sample's text, widened. out [3, n]: text counts on in all three. A picture's or a clip's cell (a, b, c) has
 * base + its time's step, base + b, base + c, where base is the next position; a clip whose groups of frames stand apart
 * (Qwen3-VL, GLM) has each as one of no time. Sounds count on like text; a clip and its own sound have one base. *next is
 * the largest position + 1: what a generated id has. Ids that are not those of the media are TS_ERR_USER. */
ts_status ts_media_positions(const ts_media_processor *p, const ts_media_sample *s, const int32_t *ids, int64_t n,
                             ts_positions_after after, int64_t *out, int64_t *next) TS_NODISCARD;
#endif
