/* Ministral 3: Mistral with yarn, and queries that grow with their position as Llama 4's do. */
#include "model/families/families.h"

enum { LENGTH = 16384 }; /* before stretching */

/* transformers' own yarn where config.json has none. */
static const ts_rope_config usual = { .scaling = TS_ROPE_YARN, .factor = 16, .original_max_positions = LENGTH,
                                      .beta_fast = 32, .beta_slow = 1, .mscale = 1, .mscale_all_dim = 1,
                                      .query_beta = 0.1 };

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    if (rope) {
        TS_TRY(ts_config_rope(o, file, r->def, 0, a, &a->rope[0]));
        return ts_config_real(rope, file, "llama_4_scaling_beta", 0, 0, &a->rope[0].query_beta);
    }
    a->rope[0] = usual;
    a->rope[0].theta = r->def;
    a->rope[0].dim = a->head_dim;
    a->rope[0].max_positions = a->max_positions;
    return TS_OK;
}

static ts_status write_rope(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write_rope_object(&a->rope[0], o, "rope_parameters"));
    (void)r;
    return ts_config_put(json_object_get(o, "rope_parameters"), "llama_4_scaling_beta", json_real(a->rope[0].query_beta));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 131072),
    TS_COPY("num_hidden_layers", n_layers, 34),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 1 << 18),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("pad_token_id", pad, 11),
    TS_OWN("rope_parameters", rope, read_rope, write_rope, 1000000),
    TS_WINDOW(0),
    { TS_CONFIG_END },
};

const ts_family ts_family_ministral3 = { .model_type = "ministral3", .architecture = "Ministral3ForCausalLM",
                                         .base = &ts_family_mistral, .rows = rows };
