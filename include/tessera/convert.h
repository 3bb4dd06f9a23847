/* A model's weights from one form into another: `tessera convert`. */
#ifndef TESSERA_CONVERT_H
#define TESSERA_CONVERT_H
#include "tessera/options.h"

TS_API_BEGIN

/* What was made. New fields come at the end. */
typedef struct ts_convert_result {
    char from[16];         /* the form that was read: "tessera", "hf" */
    char architecture[64]; /* config.json's: "LlamaForCausalLM" */
    int64_t iteration;     /* of a checkpoint; -1: none */
    int64_t tensors, bytes;
    int checked;           /* whether logits were compared */
    double difference, largest_logit;
} ts_convert_result;

/* `tessera convert` of a checkpoint or Hugging Face folder with these options (--save-dir among
 * them): a Hugging Face folder. The source and the options are checked before anything is written;
 * what cannot be written is TS_ERR_USER. result may be NULL. */
TS_API ts_status ts_convert(const char *folder, const char *const *options, size_t n,
                            ts_convert_result *result) TS_NODISCARD;

TS_API_END
#endif
