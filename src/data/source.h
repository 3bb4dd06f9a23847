/* What the trainer reads: options to data sets of samples for training, validation and test.
 * Pretraining text from Megatron's indexed files, blended, in Megatron's order; or made-up
 * tokens. */
#ifndef TS_DATA_SOURCE_H
#define TS_DATA_SOURCE_H
#include "base/option.h"
#include "data/dataset.h"

#define TS_DATALOADERS(W)                                                                          \
    W(TS_DATALOADER_SINGLE, "single")                                                              \
    W(TS_DATALOADER_CYCLIC, "cyclic")                                                              \
    W(TS_DATALOADER_EXTERNAL, "external")
typedef enum ts_dataloader { TS_DATALOADERS(TS_CHOICE_VALUE) } ts_dataloader;

typedef struct ts_data_options {
    ts_option_list data_path, train_data_path, valid_data_path, test_data_path;
    const char *data_args_path, *split, *data_cache_path;
    bool mock_data, eod_mask_loss, reset_position_ids, reset_attention_mask;
    bool data_sharding; /* cyclic: each process permutes a part of its own */
    int dataloader_type; /* TS_DATALOADER_* */
} ts_data_options;
extern const ts_option ts_data_option_rows[];
extern const size_t ts_data_option_count;

/* Facts from the model, the tokenizer and the schedule. */
typedef struct ts_data_need {
    int64_t seq_length;
    uint32_t seed;
    int64_t n_train, n_valid, n_test; /* samples; 0: this part is not opened */
    int64_t vocab_size;               /* ids must be below; 0: not checked */
    int32_t eod, pad;                 /* -1: none */
    bool reads_cache_only;            /* another process writes the cache of orders */
    bool speaks;                      /* warns of what is odd; another process does else */
} ts_data_need;

typedef enum ts_data_part {
    TS_DATA_TRAIN,
    TS_DATA_VALID,
    TS_DATA_TEST,
    TS_DATA_PARTS
} ts_data_part;

/* The fields of a sample of S = seq_length tokens, as the options ask for them:
 *   tokens        int32 [S + 1]: inputs are the first S, labels the last S
 *   loss_mask     fp32 [S], 1 or 0
 *   position_ids  int32 [S], with reset-position-ids: beginning again after an end of document
 *   segments      int32 [S], 0, 1, ..., with reset-attention-mask: tokens see their own only */
enum { TS_DATA_FIELDS = 4 };
int ts_data_fields(const ts_data_options *o, int64_t seq_length, ts_field out[TS_DATA_FIELDS]);

typedef struct ts_data_source ts_data_source;
/* Opens, checks and shuffles everything that is needed; small files (up to 64 MiB) are checked for
 * ids outside the vocabulary at once, larger ones as they are read: then a sample with one is
 * TS_ERR_USER. Messages name options, files, document and id. */
ts_status ts_data_source_create(const ts_data_options *o, const ts_data_need *need,
                                ts_data_source **out) TS_NODISCARD;
void ts_data_source_destroy(ts_data_source **source);
/* NULL: not asked for, or --split gives it no share (never training). Borrowed. */
const ts_dataset *ts_data_source_part(const ts_data_source *source, ts_data_part part);

/* What a part is made of, as lines for the reader: files, sequences, tokens, how often they are gone
 * through, and how documents end. */
ts_status ts_data_source_describe(const ts_data_source *source, ts_data_part part,
                                  ts_str *out) TS_NODISCARD;

/* The "single" order: first sample of micro-batch m (0, 1, ...) of a rank after `consumed`
 * samples; the rank takes micro_batch of them. */
static inline int64_t ts_sampler_first(int64_t consumed, int64_t m, int64_t micro_batch,
                                       int64_t dp_rank, int64_t dp_size)
{
    return consumed + (m * dp_size + dp_rank) * micro_batch;
}
#endif
