/* Options of adapters (LoRA) of commands that train, in MindSpeed LLM's words and PEFT's. */
#ifndef TS_MODEL_LORA_OPTIONS_H
#define TS_MODEL_LORA_OPTIONS_H
#include "base/choice.h"
#include "base/option.h"

/* Where an adapter begins (model/adapter_start.h), in PEFT's words. From PISSA on it is made of the weights. */
#define TS_ADAPTER_STARTS(W)                                                                       \
    W(TS_ADAPTER_START_ZERO, "true")                                                               \
    W(TS_ADAPTER_START_GAUSSIAN, "gaussian")                                                       \
    W(TS_ADAPTER_START_PISSA, "pissa")                                                             \
    W(TS_ADAPTER_START_OLORA, "olora")                                                             \
    W(TS_ADAPTER_START_LOFTQ, "loftq")
typedef enum ts_adapter_start { TS_ADAPTER_STARTS(TS_CHOICE_VALUE) } ts_adapter_start;
const char *ts_adapter_start_name(ts_adapter_start s);
/* passes: N of pissa_niter_N, else 0; false: no such word. */
bool ts_adapter_start_of(const char *word, ts_adapter_start *out, int64_t *passes);

typedef struct ts_lora_options {
    const char *load; /* a PEFT folder, which decides everything; NULL: none */
    int64_t r;        /* 0: no new adapter is begun */
    double alpha;
    ts_option_list targets, whole; /* that get an adapter; that are trained whole */
    bool rslora, dora;
    double dropout;
    const char *init; /* where one begins: "true", "gaussian", "pissa", ... */
    double plus; /* rate of B over that of A; 0: the same */
    bool alone;  /* checkpoints hold what is trained alone */
    const json_t *told; /* an adapter that a checkpoint describes (ts_adapters_tell); NULL: none */
    bool nf4; /* weights of the layers' linear layers that are not trained are held in NF4 */
    bool tokens; /* a new adapter trains the embedding and the output layer whole: the vocabulary has got rows */
    const char *save_peft; /* of commands that train; NULL */
} ts_lora_options;
extern const ts_option ts_lora_option_rows[];
extern const size_t ts_lora_option_count;

static inline bool ts_lora_on(const ts_lora_options *o) { return o->load || o->r > 0 || o->told; }
/* TS_ERR_USER: options that contradict each other. */
ts_status ts_lora_options_check(const ts_lora_options *o, const ts_option_set *set) TS_NODISCARD;
/* Warns of what has no effect without an adapter. */
void ts_lora_options_warn(const ts_lora_options *o, const ts_option_set *set);
#endif
