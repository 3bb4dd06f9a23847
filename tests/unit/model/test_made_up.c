/* A family that there is not: it takes one table, and a function for what no table says. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "model/families/families.h"
#include "model/param_list.h"

#include <string.h>

/* Layers whose number is a multiple of `every` have a plain MLP and no positions. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t every = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, TS_ARCH_MAX_LAYERS, &every));
    for (int64_t i = 0; every && i < a->n_layers; i += every) {
        a->layer[i].mlp = TS_MLP_PLAIN;
        a->layer[i].position = TS_POSITION_NONE;
    }
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t every = 1;
    while (every < a->n_layers && a->layer[every].mlp != TS_MLP_PLAIN)
        every++;
    return ts_config_put(o, r->key, json_integer(every));
}

static const ts_config_row rows[] = {
    TS_COPY("width", hidden, 32),
    TS_COPY("num_hidden_layers", n_layers, 5),
    TS_COPY("num_attention_heads", n_heads, 4),
    TS_KV_HEADS(2),
    TS_COPY("hidden_act", act, TS_ACT_RELU2),
    TS_CAP("cap", logit_softcap, 20),
    TS_ID("pad_token_id", pad, 7),
    TS_COPY_BOTH("dense_bias", bias_proj, bias_fc2, true),
    TS_FIXED(parallel_residual, true),
    TS_REFUSE("round", "rounds must be square"),
    TS_OWN("plain_every", layer, read_layers, write_layers, 2),
    { TS_CONFIG_END },
};
static const ts_family made_up = { .model_type = "made_up", .architecture = "MadeUpForCausalLM",
                                   .base = &ts_family_base, .rows = rows };

static const ts_config_row heir_rows[] = {
    TS_FIXED(bias_proj, false),   /* in the place of what a key said */
    TS_REFUSE("cap", "there is none"), /* likewise, by its key */
    { TS_CONFIG_END },
};
static const ts_family heir = { .model_type = "heir", .architecture = "HeirForCausalLM",
                                .base = &made_up, .rows = heir_rows };

static ts_status read_text(const ts_family *f, const char *text, ts_arch *a)
{
    json_t *o = NULL;
    ts_arch_init(a);
    OK(ts_json_parse(text, strlen(text), "config.json", &o));
    ts_status st = ts_family_read(f, o, "config.json", a);
    if (st == TS_OK)
        st = ts_arch_check(a, "config.json");
    json_decref(o);
    return st;
}

static void test_read(void **state)
{
    (void)state;
    ts_arch a;
    OK(read_text(&made_up, "{\"width\": 24, \"cap\": null, \"dense_bias\": false}", &a));
    assert_int_equal(a.hidden, 24);
    assert_int_equal(a.n_kv_heads, 2);
    assert_int_equal(a.head_dim, 6);
    assert_int_equal(a.ffn, 11008); /* the base's */
    assert_int_equal(a.act, TS_ACT_RELU2);
    assert_int_equal(a.bos, 1);
    assert_int_equal(a.pad, 7);
    assert_true(a.logit_softcap == 0 && a.norm_eps == 1e-6 && a.parallel_residual);
    assert_false(a.bias_proj || a.bias_fc2);
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(a.layer[i].mlp, i % 2 ? TS_MLP_GATED : TS_MLP_PLAIN);
        assert_int_equal(a.layer[i].position, i % 2 ? TS_POSITION_ROPE : TS_POSITION_NONE);
    }
    ts_arch_deinit(&a);
    OK(read_text(&heir, "{}", &a));
    assert_true(a.hidden == 32 && a.logit_softcap == 0 && !a.bias_proj && !a.bias_fc2 &&
                a.parallel_residual);
    ts_arch_deinit(&a);
    static const char *const bad[][2] = {
        { "{\"width\": 0}", "config.json: width is 0, expected 1 to 4194304" },
        { "{\"width\": \"big\"}", "config.json: width must be a whole number" },
        { "{\"hidden_act\": \"mish\"}", "config.json: hidden_act is \"mish\"" },
        { "{\"round\": 1}", "config.json: round is not supported: rounds must be square" },
        { "{\"dense_bias\": 1}", "config.json: dense_bias must be true or false" },
        { "{\"is_causal\": false}", "config.json: is_causal" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        REFUSED(read_text(&made_up, bad[i][0], &a), TS_ERR_USER, bad[i][1]);
        ts_arch_deinit(&a);
    }
    REFUSED(read_text(&heir, "{\"cap\": 2.0}", &a), TS_ERR_USER, "config.json: cap is not supported");
    ts_arch_deinit(&a);
}

/* What is written is read as the same model. */
static void test_write(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"cap\": null, \"pad_token_id\": null, \"plain_every\": 3, \"head_dim\": 16}",
        ("{\"cap\": 5.5, \"eos_token_id\": [3, 4], \"hidden_act\": \"gelu_new\", "
         "\"tie_word_embeddings\": true, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ts_arch a, b;
        json_t *o = json_object();
        OK(read_text(&made_up, texts[i], &a));
        OK(ts_family_write(&made_up, &a, o));
        char *text = json_dumps(o, 0);
        OK(read_text(&made_up, text, &b));
        if (!ts_arch_equal(&a, &b))
            fail_msg("%s comes back as another model: %s", texts[i], text);
        assert_null(json_object_get(o, "round"));
        assert_int_equal(json_is_null(json_object_get(o, "cap")), a.logit_softcap == 0);
        assert_non_null(json_object_get(o, "width"));
        assert_null(json_object_get(o, "hidden_size")); /* its row is another here */
        free(text);
        json_decref(o);
        ts_arch_deinit(&a);
        ts_arch_deinit(&b);
    }
}

/* Names are the base's; a layer with a plain MLP has no gate, and its tensors are as wide. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t rows; /* 0: there is none */
    } want[] = {
        { "model.layers.0.mlp.gate_proj.weight", 0 }, { "model.layers.0.mlp.up_proj.weight", 40 },
        { "model.layers.1.mlp.gate_proj.weight", 40 }, { "model.layers.1.mlp.up_proj.weight", 40 },
        { "model.layers.1.mlp.down_proj.bias", 32 },  { "model.layers.1.mlp.up_proj.bias", 0 },
    };
    ts_arch a;
    ts_name_map m = { 0 };
    OK(read_text(&made_up, "{\"intermediate_size\": 40}", &a));
    OK(ts_family_names(&made_up, &a, &m));
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        int64_t n = 0;
        for (size_t i = 0; i < m.n_tensors; i++)
            if (!strcmp(m.tensor[i].hf_name, want[k].name))
                n = m.tensor[i].dim[0];
        if (n != want[k].rows)
            fail_msg("%s has %lld rows", want[k].name, (long long)n);
    }
    char alias[TS_FAMILY_NAME];
    assert_true(ts_family_alias(&heir, "model.norm.weight", 0, alias));
    assert_string_equal(alias, "norm.weight");
    ts_name_map_deinit(&m);
    ts_arch_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_write),
                                        cmocka_unit_test(test_names) };
    return cmocka_run_group_tests_name("a made-up family", tests, NULL, NULL);
}
