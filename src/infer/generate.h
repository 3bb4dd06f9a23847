/* Generation: lines in, new tokens out. Lines run side by side in the slots of an engine; when one
 * ends the next takes its place. What a line becomes depends on itself, its number and the settings
 * only. */
#ifndef TS_INFER_GENERATE_H
#define TS_INFER_GENERATE_H
#include "infer/engine.h"
#include "infer/gen_config.h"

typedef struct ts_gen_line {
    int64_t number;          /* in the input, from 0 */
    ts_prompt prompt;
    int64_t max_new;         /* 1 or more */
} ts_gen_line;

typedef struct ts_gen_text {
    int32_t *ids;            /* the new ones */
    double *logprobs;        /* of each, where asked for */
    size_t n, cap_ids, cap_logprobs;
    bool is_stopped;         /* by an end-of-text token or the hook; else the length did it */
} ts_gen_text;

/* What the caller wants to know. Borrowed data, valid during the call. */
typedef struct ts_gen_hooks {
    void *ctx;
    /* After each new token (not with beams); *stop ends the line. May be NULL. */
    ts_status (*token)(void *ctx, const ts_gen_line *line, const ts_gen_text *text, bool *stop);
    /* A line is complete; in any order. */
    ts_status (*done)(void *ctx, const ts_gen_line *line, const ts_gen_text *text);
    /* Now and then: tokens since the beginning, prompts included. May be NULL. */
    void (*progress)(void *ctx, int64_t new_tokens);
} ts_gen_hooks;

/* How many new tokens a line may have; a prompt that is longer than the model's positions is
 * TS_ERR_USER. */
ts_status ts_gen_limit(const ts_gen_config *c, const ts_arch *a, int64_t prompt,
                       int64_t *max_new) TS_NODISCARD;

/* Slots to create an engine with for so many lines side by side. */
int64_t ts_gen_slots(const ts_gen_config *c, int64_t batch, int64_t lines);

/* All lines. */
ts_status ts_generate(ts_engine *e, const ts_arch *a, const ts_gen_config *c,
                      const ts_gen_line *lines, int64_t n, const ts_gen_hooks *hooks) TS_NODISCARD;

/* One line by beam search, as transformers does it, in slots 0..num_beams-1. */
ts_status ts_beam_search(ts_engine *e, const ts_arch *a, const ts_gen_config *c,
                         const ts_gen_line *line, ts_gen_text *out) TS_NODISCARD;
void ts_gen_text_deinit(ts_gen_text *t);
#endif
