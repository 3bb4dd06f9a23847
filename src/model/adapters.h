/* Adapters of a model as PEFT has them: which layers they fit, their names and values in folders. */
#ifndef TS_MODEL_ADAPTERS_H
#define TS_MODEL_ADAPTERS_H
#include "io/safetensors.h"
#include "model/decoder.h"
#include "model/family.h"
#include "model/lora_options.h"
#include "nn/adapter.h"

/* Rows of our B that follow one another there, and in B as files have it (row number i: hf + i step). */
typedef struct ts_adapted_rows {
    int64_t row, hf, step, n;
} ts_adapted_rows;

/* A module of a Hugging Face class that has an adapter. */
typedef struct ts_adapted {
    char *name; /* "model.layers.0.self_attn.q_proj" */
    char *parameter; /* "gate_up_proj": it is a parameter of that module, of all experts, whose name in files then is of
                        PEFT's nested modules; NULL: it is a module */
    size_t site; /* of the plan, and which of its parts: several modules may share one */
    int part;
    int64_t out;
    ts_adapted_rows *rows; /* [n_rows]; of experts those of each */
    size_t n_rows;
} ts_adapted;

typedef struct ts_adapter_starts ts_adapter_starts;

typedef struct ts_adapters {
    ts_adapter_plan plan;
    int64_t n_base;   /* parameters of the model itself, whose ids come first */
    json_t *config;   /* adapter_config.json */
    json_t *megatron; /* the names of layers that have one part for all rows; NULL: modules have parts of their own */
    ts_adapter_start start; /* where it begins (model/adapter_start.h), as the next two */
    int64_t start_passes;
    ts_adapter_starts *starts; /* what it begins with, until it is read; or NULL */
    bool alone;       /* checkpoints hold no other values */
    char *folder;     /* where it was read; NULL: it begins */
    ts_st_dir *dir;   /* its tensors, until they are read */
    ts_adapted *module;
    size_t n, cap;
    ts_names *saved; /* parameters of the model that are trained whole (modules_to_save), and of the files */
    ts_names *saved_files;
    char *tied; /* the output layer's weight, that is the embedding's, under its name in files; NULL: they are not trained as one */
} ts_adapters;

/* What the options say of the (checked) description, all but values. family NULL: the model has no Hugging Face names.
 * TS_ERR_USER: an adapter that fits nothing, or not; options that contradict its config. */
ts_status ts_adapters_open(const ts_lora_options *o, const ts_option_set *set, const ts_family *family, const ts_arch *a,
                           bool training, ts_adapters **out) TS_NODISCARD;
void ts_adapters_destroy(ts_adapters **a);
/* Before d, which was made with the plan, is allocated: in training all that is no adapter and not to be saved is held as
 * it is multiplied. */
ts_status ts_adapters_freeze(const ts_adapters *a, ts_decoder *d) TS_NODISCARD;
/* Once the model's own values are there: the folder's, or A random by the seed and B zero. */
ts_status ts_adapters_fill(ts_adapters *a, ts_decoder *d, const ts_family *family, uint64_t seed) TS_NODISCARD;
/* What a checkpoint says of it (json_decref), for ts_lora_options.told. */
ts_status ts_adapters_tell(const ts_adapters *a, json_t **out) TS_NODISCARD;
/* While it is off, the model computes what it does without (of modules that are trained whole nothing is undone). */
static inline void ts_adapters_turn(ts_adapters *a, bool on) { a->plan.off = !on; }
/* The name of a part's parameter in the model. */
typedef enum ts_adapter_kind {
    TS_ADAPTER_A,
    TS_ADAPTER_B,
    TS_ADAPTER_M,
    TS_ADAPTER_KINDS, /* that files have */
    TS_ADAPTER_START_A = TS_ADAPTER_KINDS, /* what A and B were at first (ts_adapter_plan.starts) */
    TS_ADAPTER_START_B,
} ts_adapter_kind;
void ts_adapter_name(const ts_adapter_site *s, int part, ts_adapter_kind kind, char out[TS_DECLARED_NAME]);
/* And in files, of a module; shape [dim[0], dim[1]], dim[1] 0: one dimension. */
enum { TS_ADAPTER_FILE_NAME = 512 };
void ts_adapter_file_name(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, char out[TS_ADAPTER_FILE_NAME],
                          int64_t dim[2]);
/* B of experts' adapter, all of it, between our order [experts, out, rank] and files' [out, rank, experts]; of an embedding's
 * between [vocab, rank] and [rank, vocab]. */
void ts_adapted_experts(const ts_adapted *m, const ts_adapter_site *s, bool to_file, const float *from, float *to);
/* Folders of before transformers 5 have a module of each expert, of gate and up apart; of such a one's files.
 * The name of the i-th tensor that `m` had there; false: there are no more. */
bool ts_adapted_old_name(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, int64_t i, char out[TS_ADAPTER_FILE_NAME]);
/* All of such an adapter's A or B in our order: each half has a half of the rank of its own. */
ts_status ts_adapted_old_read(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, float *to) TS_NODISCARD;
static inline int ts_adapter_kinds(const ts_adapter_site *s) { return s->dora ? TS_ADAPTER_KINDS : TS_ADAPTER_M; }

/* Adds the names of the plan's parameters behind those of the model, in the order of their ids. */
ts_status ts_adapters_list(const ts_adapters *a, ts_names *names) TS_NODISCARD;

/* Values of the model with what its adapters add, from values of both (read: as ts_weights_source's). */
typedef struct ts_merger {
    const ts_adapters *a;
    ts_status (*read)(void *ctx, const char *param, int64_t at, int64_t n, float *to);
    void *ctx;
    float *x; /* A and rows of B of one part */
    size_t room;
} ts_merger;
ts_status ts_merger_read(void *merger, const char *param, int64_t at, int64_t n, float *to) TS_NODISCARD;
void ts_merger_deinit(ts_merger *m);

/* Of a folder that was opened: TS_ERR_USER where it has a tensor that no module reads (an adapter of an embedding, ...). */
ts_status ts_adapters_check_rest(const ts_adapters *a) TS_NODISCARD;
/* Of a folder that was opened and not filled in. Elements of one of the plan's parameters, whole rows; *found: it has that. */
ts_status ts_adapters_read(const ts_adapters *a, const char *param, int64_t at, int64_t n, float *to, bool *found) TS_NODISCARD;
/* Whether an adapter adds to a tensor as files of the model have it; and its values, all of them, with that. */
bool ts_adapters_change(const ts_adapters *a, const ts_name_map *map, const ts_name_tensor *t);
ts_status ts_adapters_merge(const ts_adapters *a, const ts_name_map *map, const ts_name_tensor *t, float *w) TS_NODISCARD;

/* Writes the folder, to the side and renamed; base: the name of the model that it belongs to, or NULL. */
struct ts_weights_source;
ts_status ts_adapters_write(const ts_adapters *a, const struct ts_weights_source *values, const char *base, const char *folder,
                            const char *option) TS_NODISCARD;
#endif
