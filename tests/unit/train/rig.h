/* A small decoder, a small file of data and a trainer for both. Include first. */
#ifndef TS_TESTS_RIG_H
#define TS_TESTS_RIG_H
#include "../cmocka_all.h"
#include "data/indexed.h"
#include "device/isa.h"
#include "model/open.h"
#include "train/objective/lm.h"
#include "train/trainer.h"
#include "words.h"

#include <math.h>

enum { S = 16, VOCAB = 64, GLOBAL = 8, END = 63, LAYERS = 3, HIDDEN = 32, FFN = 64 };

/* Documents of many lengths, so that sequences have different numbers of ends. */
static inline void build(const char *prefix)
{
    ts_indexed_builder *b = NULL;
    int32_t ids[128];
    uint32_t x = 7;
    OK(ts_indexed_builder_create(prefix, TS_INDEXED_I32, &b));
    for (int d = 0; d < 60; d++) {
        const int len = d % 4 ? 2 + d % 3 : 40;
        for (int i = 0; i < len; i++) {
            x = x * 1664525u + 1013904223u;
            ids[i] = i == len - 1 ? END : (int32_t)(x >> 24) % END;
        }
        OK(ts_indexed_builder_add(b, ids, len));
        OK(ts_indexed_builder_end_document(b));
    }
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
}

static inline void describe(ts_arch *a)
{
    ts_arch_init(a);
    a->n_layers = LAYERS;
    a->hidden = HIDDEN;
    a->n_heads = 4;
    a->n_kv_heads = 2;
    a->head_dim = 8;
    a->ffn = FFN;
    a->vocab = VOCAB;
    a->max_positions = 64;
    a->attn_scale = 1 / sqrt(8);
    a->init_std = 0.1;
    a->rope[0] = (ts_rope_config){ .theta = 10000, .dim = 8, .factor = 1, .max_positions = 64 };
    a->n_ropes = 1;
    OK(ts_arch_layers(a, 0));
}

/* All that one run needs. */
typedef struct rig {
    temp t;
    words w;
    ts_data_options data;
    const char *path;
    ts_device *dev;
    ts_comm *comm;
    ts_mesh *mesh;
    ts_model model;
    ts_data_source *source;
    ts_field field[TS_DATA_FIELDS];
    ts_lm_objective objective;
    ts_trainer *trainer;
} rig;

#define COMMON "--seq-length 16 --train-iters 100 --lr 0.1 --optimizer sgd --global-batch-size 8 "

/* A trainer for the rig's objective. */
static inline void rig_train(rig *r, ts_dtype compute, const ts_pipeline_kind *pipeline)
{
    const ts_trainer_args a = { .o = &r->w.o, .dev = r->dev, .mesh = r->mesh,
                                .objective = &r->objective.base, .fp16 = compute == TS_DTYPE_F16,
                                .bucket = 1 << 20, .pipeline = *pipeline,
                                .feed = { .field = r->field,
                                          .n_fields = ts_data_fields(&r->data, S, r->field),
                                          .part = { ts_data_source_part(r->source, TS_DATA_TRAIN) },
                                          .data = &r->data, .with_values = true } };
    OK(ts_trainer_create(&a, &r->trainer));
}

/* adjust: changes the description; may be NULL. */
static inline void rig_make_as(rig *r, const char *text, ts_dtype compute, bool mask_ends,
                               void (*adjust)(ts_arch *))
{
    ts_arch a;
    *r = (rig){ 0 };
    temp_make(&r->t);
    build(temp_path(&r->t, "text"));
    r->path = temp_path(&r->t, "text");
    words_parse(&r->w, text);
    OK(ts_train_options_check(&r->w.o, 1));
    r->data = (ts_data_options){ .data_path = { &r->path, 1 }, .split = "100,0,0",
                                 .eod_mask_loss = mask_ends };
    const ts_data_need need = {
        .seq_length = S, .seed = 1, .n_train = 800, .vocab_size = VOCAB, .eod = END, .pad = -1
    };
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_comm_self_create(&r->comm));
    OK(ts_mesh_create(r->comm, &(ts_mesh_shape){ 0 }, &r->mesh));
    OK(ts_data_source_create(&r->data, &need, &r->source));
    describe(&a);
    if (adjust)
        adjust(&a);
    OK(ts_arch_check(&a, "test"));
    const ts_model_use use = { .dev = r->dev, .compute = compute, .training = true,
                               .freeze = r->w.o.freeze,
                               .keeps_tops = ts_train_keeps_tops(&r->w.o),
                               .whole_words = ts_train_whole_words(&r->w.o),
                               .steps_whole = ts_train_steps_whole(&r->w.o) };
    OK(ts_model_make(&a, &use, 42, &r->model));
    ts_arch_deinit(&a);
    const ts_network network = ts_decoder_network(r->model.decoder);
    ts_lm_objective_init(&r->objective, &network, &r->w.o, false, NULL);
    rig_train(r, compute, &(ts_pipeline_kind){ 0 });
}

static inline void rig_make(rig *r, const char *text, ts_dtype compute, bool mask_ends)
{
    rig_make_as(r, text, compute, mask_ends, NULL);
}

/* A copy of all weights as they stand in their storage, with zeros between them: there the storage
 * has what was there before. To be freed. */
static inline void *rig_weights(const rig *r, size_t *bytes)
{
    const ts_param_set *s = &r->model.decoder->params;
    char *copy = calloc(s->values->bytes, 1);
    assert_non_null(copy);
    for (size_t i = 0; i < s->n; i++) {
        const ts_param *p = s->p[i];
        memcpy(copy + ((const char *)p->value - (const char *)s->values->data), p->value,
               (size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
    }
    *bytes = s->values->bytes;
    return copy;
}

static inline void rig_free(rig *r)
{
    ts_trainer_destroy(&r->trainer);
    ts_data_source_destroy(&r->source);
    ts_model_deinit(&r->model);
    ts_mesh_destroy(&r->mesh);
    ts_comm_destroy(&r->comm);
    ts_device_close(&r->dev);
    words_free(&r->w);
    temp_remove(&r->t);
}
#endif
