/* Samples with pictures and clips to train on: MindSpeed MM's data.json, and the records that it names.
 *
 * Read of it: dataset_param.dataset_type "huggingface" (a JSON list or JSON lines of "messages" and "images", "videos";
 * key names from attr) or "multimodal" (InternVL's JSON lines: "image", "conversations" of "from", "value");
 * dataset_param.basic_parameters.{dataset, dataset_dir} or {data_path, data_folder}: the records, and the folder that
 * relative paths of media count from (the records' own without it); dataloader_param.shuffle. */
#ifndef TS_DATA_MEDIA_MM_DATA_H
#define TS_DATA_MEDIA_MM_DATA_H
#include "base/option.h"
#include "data/media/lines.h"
#include "data/source.h"

typedef struct ts_mm_options {
    const char *data;
} ts_mm_options;
extern const ts_option ts_mm_option_rows[];
extern const size_t ts_mm_option_count;

typedef struct ts_mm_source ts_mm_source;
/* folder: the model's, whose processor, tokenizer and template say what records become. Samples are gone through in the
 * records' order, or shuffled by need->seed, again and again, as many as are needed. Records are tried before any is
 * trained on: mistakes are TS_ERR_USER that name file, record and medium; so are those longer than seq_length. */
ts_status ts_mm_source_create(const ts_mm_options *o, const char *folder, const ts_data_need *need, ts_mm_source **out) TS_NODISCARD;
void ts_mm_source_destroy(ts_mm_source **source);
/* Fields of a sample: tokens, labels, loss_mask, length as those of data/tuning_source.h, and
 *   record   int32 [1]: whose media they are */
enum { TS_MM_FIELDS = 5 };
int ts_mm_fields(int64_t seq_length, ts_field out[TS_MM_FIELDS]);
/* Training's; others are none. */
const ts_dataset *ts_mm_source_part(const ts_mm_source *source, ts_data_part part);
int64_t ts_mm_source_records(const ts_mm_source *source);
/* What record number `record` is: ids, labels, media. out: zero, or of an earlier call. Any number of threads. */
ts_status ts_mm_source_read(const ts_mm_source *source, int64_t record, ts_media_line *out) TS_NODISCARD;
/* A line for the reader: records, how often they are gone through. */
ts_status ts_mm_source_describe(const ts_mm_source *source, ts_str *out) TS_NODISCARD;
/* "FILE: record N", for messages. */
void ts_mm_source_where(const ts_mm_source *source, int64_t record, char *out, size_t size);
#endif
