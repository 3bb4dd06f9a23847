/* What tuning reads: samples of any length (data/rows.h) in the order of MindSpeed LLM, cut or padded to the rows of a
 * batch. */
#ifndef TS_DATA_TUNING_SOURCE_H
#define TS_DATA_TUNING_SOURCE_H
#include "data/instruct/text_rows.h"
#include "data/instruct/writer.h"
#include "data/rows.h"
#include "data/source.h"

typedef struct ts_tuning_data {
    ts_rows_kind kind;
    bool shuffles;
    bool fills_epochs; /* each pass is filled up to whole global batches with its first samples again */
    bool shuffles_all; /* all passes together once more, as Python's random.shuffle does */
    bool cuts;         /* samples longer than seq_length; else they are refused */
    bool pads_left;
    bool has_ordinals; /* attention_mask numbers the documents of a sample (--neat-pack); else they end after eod */
    bool compares;     /* answers are told from each other by what is trained of them: each must have a label in its row */
    int64_t piece;     /* documents are cut into pieces of so many tokens; 0: they are not */
    int64_t global;    /* samples of a global batch */
    ts_texts texts;    /* of rows of that kind */
    /* conversations and texts: how they are written; borrowed while the source is made */
    const ts_chat_options *chat;
    const ts_text_options *text;
    const char *folder; /* the model's; NULL: none */
} ts_tuning_data;

/* The fields of a row of S = seq_length tokens. Of pairs a sample has two rows, the chosen answer and then the rejected
 * one; of kto an answer, and then the mismatched one:
 *   tokens        int32 [S]
 *   labels        int32 [S]: what the model is to say behind each token, -100 where nothing is asked for
 *   loss_mask     fp32 [S], where there is a label how much it counts (1 but for "weight"), else 0
 *   length        int32 [1]: tokens without padding
 *   kto_tag       int32 [1], of kto: 1 desirable, 0 not
 *   numbers       fp32 [ts_texts_numbers], of texts that have any; these have neither labels nor a mask
 *   sample        int32 [1], where a batch asks for it: the sample's number among all that the source has
 *   position_ids  int32 [S], where they begin again in a row
 *   segments      int32 [S], where tokens see their own document only */
enum { TS_TUNING_FIELDS = 7 };
int ts_tuning_fields(const ts_tuning_data *t, const ts_data_options *o, int64_t seq_length,
                     ts_field out[TS_TUNING_FIELDS]);

/* Rows of a sample. */
static inline int64_t ts_tuning_each(const ts_tuning_data *t)
{
    return t->kind == TS_ROWS_TEXTS ? t->texts.each : ts_rows_each(t->kind);
}

typedef struct ts_tuning_source ts_tuning_source;
/* Opens what the options name (packed files, or conversations in .json and .jsonl files and the entries of --dataset), shuffles it, and looks whether the training part has anything to train on. Paths without
 * weights are one data set, one after another; with weights they are blended as pretraining data are. */
ts_status ts_tuning_source_create(const ts_tuning_data *t, const ts_data_options *o, const ts_data_need *need,
                                  ts_tuning_source **out) TS_NODISCARD;
void ts_tuning_source_destroy(ts_tuning_source **source);
/* All that it has, whatever part they are of. */
int64_t ts_tuning_source_all(const ts_tuning_source *source);
/* Sample i of these into a row of a batch, or the first of its rows. */
ts_status ts_tuning_source_read(const ts_tuning_source *source, int64_t i, const ts_batch *b, int64_t row) TS_NODISCARD;
/* NULL: not asked for, or --split gives it no share (never training). Borrowed. */
const ts_dataset *ts_tuning_source_part(const ts_tuning_source *source, ts_data_part part);
/* Of that part, of all its paths, however often they are gone through. */
int64_t ts_tuning_source_samples(const ts_tuning_source *source, ts_data_part part);
/* A line for the reader: samples, how often they are gone through. */
ts_status ts_tuning_source_describe(const ts_tuning_source *source, ts_data_part part, ts_str *out) TS_NODISCARD;
#endif
