/* Rows of the vocabulary that a model's files do not have: for tokens that its tokenizer got beside its own.
 *
 * The tensors with a row for each id (embedding, output layer, its bias, copies of them) are replaced in the open folder
 * by ones with more rows, so that whoever reads it, in whatever layout, reads the same. */
#ifndef TS_MODEL_NEW_ROWS_H
#define TS_MODEL_NEW_ROWS_H
#include "base/choice.h"
#include "base/option.h"
#include "io/safetensors.h"
#include "model/family.h"
#include "text/ids.h"
#include "text/text_options.h"

/* Where values come from; means are those of all rows that the files have, and noise is that of N(0, 1/hidden). */
#define TS_NEW_ROWS_INITS(W)                                                                                               \
    W(TS_NEW_ROWS_AUTO, "auto") /* by description where there are some, else normal; rows that files have stay */          \
    W(TS_NEW_ROWS_NORMAL, "normal") /* N(mean, 1e-9 covariance of the rows), as transformers' mean_resizing */             \
    W(TS_NEW_ROWS_MEAN, "mean")                                                                                            \
    W(TS_NEW_ROWS_NOISE, "noise") /* mean + noise, as LLaMA-Factory's noise_init */                                        \
    W(TS_NEW_ROWS_DESCRIPTION, "description") /* mean of the rows of a description's tokens: desc_init */                  \
    W(TS_NEW_ROWS_DESCRIPTION_NOISE, "description-noise") /* that + noise: desc_init_w_noise */
typedef enum ts_new_rows_init { TS_NEW_ROWS_INITS(TS_CHOICE_VALUE) } ts_new_rows_init;

typedef struct ts_new_rows_options {
    bool resize;      /* rows for all ids of the tokenizer, also without new tokens */
    int64_t multiple; /* of which the number of rows is one, where it grows */
    int init;
    bool fewer; /* a model may be written whose tokenizer has ids without rows */
} ts_new_rows_options;
extern const ts_option ts_new_rows_option_rows[];
extern const size_t ts_new_rows_option_count;

/* What a model is to have. */
typedef struct ts_new_rows_want {
    int64_t ids;      /* rows, at least */
    int64_t multiple; /* of which their number becomes one, where there are to be more than the files have */
    int64_t from;     /* rows from this id on are made anew also where the files have them; -1: none of these are */
    ts_new_rows_init init; /* never AUTO */
    bool adds; /* there are new tokens, which an adapter that begins has to learn */
    uint64_t seed;
    ts_ids *words; /* [ids] the tokens of the description that a token has; NULL: none has one */
} ts_new_rows_want;
/* What options ask for; `with` is the tokenizer that `text` describes. The words are the caller's. */
ts_status ts_new_rows_wanted(const ts_new_rows_options *o, const ts_text_options *text, const ts_text_tokenizer *with,
                             uint64_t seed, ts_new_rows_want *out) TS_NODISCARD;
void ts_new_rows_want_deinit(ts_new_rows_want *w);

typedef struct ts_new_rows ts_new_rows;
/* Replaces the tensors in dir; *out outlives it, or is NULL where all rows are there. a, config: the model's as its files
 * are, whose vocabulary grows. computes: else shapes alone are told. TS_ERR_USER: a model that has more than rows of the
 * vocabulary for each id, weights in few bits. */
ts_status ts_new_rows_put(const ts_new_rows_want *w, const ts_family *f, const char *folder, bool computes, ts_arch *a,
                          json_t *config, ts_st_dir *dir, ts_new_rows **out) TS_NODISCARD;
/* That each id of the tokenizer among the files has one of `vocab` rows; TS_ERR_USER says how many there are of each, and
 * `option`, by which it was to be written to `folder`. A tokenizer that cannot be read is a warning. */
ts_status ts_new_rows_check(const ts_new_rows_options *o, const ts_side_files *files, int64_t vocab, const char *option,
                            const char *folder) TS_NODISCARD;
/* How many rows the embedding has that an adapter's folder holds whole; 0: it holds none. */
ts_status ts_new_rows_of_adapter(const char *folder, const ts_family *f, int64_t *out) TS_NODISCARD;
void ts_new_rows_destroy(ts_new_rows **r);
#endif
