/* Log-probabilities of given tokens. */
#ifndef TS_INFER_SCORE_H
#define TS_INFER_SCORE_H
#include "infer/choice.h"
#include "model/sentence.h"
#include "model/weights.h"

/* Scores one sequence: logprobs[i] is the natural logarithm of ids[i]'s probability after
 * ids[0..i), for i >= 1 (logprobs[0] is 0 and means nothing); greedy[i] whether it was the arg-max.
 * n >= 1. pictures: what stands at its placeholders; NULL: none. routes, of sequences of any length: where this one's choices of experts go, or come from;
 * NULL: neither. */
ts_status ts_score_ids(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_pictures *pictures, ts_routes *routes,
                       double *logprobs, bool *greedy) TS_NODISCARD;
/* Of each token after the first its log-probability and those of the `top` most probable ones in its place
 * (TS_CHOICE_MOST_TOP at most); out [n], of which the first is its id alone. Logits are held of some rows at a time. */
ts_status ts_score_choices(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, int top,
                           ts_choice *out) TS_NODISCARD;
/* Of a model of rewards or labels: what its head tells of one sequence, at its last token, into out [1 or labels]. */
ts_status ts_score_numbers(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, ts_routes *routes,
                           float *out) TS_NODISCARD;
/* The logits after the last token, fp32 [vocab], into out. */
ts_status ts_score_next(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, float *out) TS_NODISCARD;
/* How likely the first of n words is by logits z [vocab], among them or, alone, among all: what a language model that judges
 * rewards with. */
double ts_score_word(const float *z, int64_t vocab, const int32_t *words, int64_t n);
/* The vector of one sequence, into out [hidden], of a model that tells words or whatever. */
ts_status ts_score_vector(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_sentence *how,
                          float *out) TS_NODISCARD;
/* The logits after each token, fp32 [n, vocab], into out. */
ts_status ts_score_logits(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_pictures *pictures,
                          float *out) TS_NODISCARD;
#endif
