/* M-RoPE: the three positions (time, height, width) of each id of a text with media. */
#ifndef TS_MEDIA_POSITIONS_H
#define TS_MEDIA_POSITIONS_H
#include "media/processor.h"

/* Where the text behind a picture or a clip goes on. */
typedef enum ts_positions_after {
    TS_AFTER_LARGEST, /* behind the largest position in it: the rule that published weights were trained by */
    TS_AFTER_EXTENT,  /* behind as many as its longer side has cells, whatever its time: transformers 5 */
} ts_positions_after;

/* A medium as positions see it. */
typedef struct ts_placed_medium {
    ts_medium_kind kind;
    int64_t steps, rows, columns; /* cells along time, height, width, as the tower merges them; a sound has steps alone */
    double step;                  /* positions from one step of time to the next; whole positions, rounded down, count */
    bool has_own_sound;           /* the next medium is this clip's sound, and stands among its cells */
    const char *name;             /* for messages */
} ts_placed_medium;

/* The text: what each id stands for, and the media in the order in which they begin. */
typedef struct ts_placed_text {
    const int8_t *kind; /* [n] a ts_medium_kind, -1: text */
    int64_t n;
    const ts_placed_medium *media; /* [n_media] */
    int64_t n_media;
} ts_placed_text;

/* out [3, n]: text counts on in all three. A picture's or a clip's cell (a, b, c) has base + a's time, base + b, base + c,
 * where base is the next position and a counts the steps that stand together: a clip whose steps stand apart (Qwen3-VL,
 * GLM) has each as one of no time. Sounds count on like text; a clip and its own sound have one base, and behind them the
 * rule is the largest. *next is the largest position + 1: what a generated id has. Ids that are not those of the media are
 * TS_ERR_USER. */
ts_status ts_positions_make(const ts_placed_text *text, ts_positions_after after, int32_t *out, int64_t *next) TS_NODISCARD;
#endif
