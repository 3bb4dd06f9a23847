/* Models described by options: what each option of MindSpeed LLM's says of the architecture. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "model/options.h"

#include <math.h>
#include <string.h>

typedef struct described {
    ts_model_options o;
    ts_option_set *set;
    ts_arch a;
} described;

static ts_status describe(described *d, const char *more)
{
    static const char shape[] = "--num-layers 4 --hidden-size 64 --num-attention-heads 4 "
                                "--max-position-embeddings 32 --normalization RMSNorm "
                                "--disable-bias-linear --position-embedding-type rope ";
    char text[512], *words[64];
    int n = 0;
    memset(d, 0, sizeof *d);
    const ts_option_table tables[] = {
        { ts_model_option_rows, ts_model_option_count, &d->o },
        { ts_model_script_rows, ts_model_script_count, NULL },
    };
    snprintf(text, sizeof text, "%s%s", shape, more);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        words[n++] = w;
    OK(ts_option_set_create(tables, 2, &d->set));
    OK(ts_option_parse(d->set, n, words));
    OK(ts_option_finish(d->set));
    ts_arch_init(&d->a);
    return ts_model_describe(&d->o, d->set, 96, &d->a);
}

static void end(described *d)
{
    ts_arch_deinit(&d->a);
    ts_option_set_destroy(&d->set);
}

static void gemma2(void **state)
{
    (void)state;
    described d;
    OK(describe(&d, "--gelu-tanh --post-norm --add-rmsnorm-offset --input-embeds-norm "
                    "--attn-logit-softcapping 50.0 --output-logit-softcapping 30 "
                    "--query-pre-attn-scalar 144 --interleave-sliding-window 8 --spec "
                    "mindspeed_llm.tasks.models.spec.gemma2_spec layer_spec"));
    const ts_arch *a = &d.a;
    assert_true(a->gated && a->act == TS_ACT_GELU_TANH && a->pre_norm && a->post_norm);
    assert_true(a->norm_offset == 1 && a->embed_scale == 8);
    assert_true(a->attn_softcap == 50 && a->logit_softcap == 30 && a->attn_scale == 1.0 / 12);
    for (int i = 0; i < 4; i++)
        assert_int_equal(a->layer[i].window, i % 2 ? 0 : 8);
    end(&d);
}

static void minicpm(void **state)
{
    (void)state;
    described d;
    OK(describe(&d, "--swiglu --scale-emb 12 --dim-model-base 16 --scale-depth 1.4"));
    assert_true(d.a.embed_scale == 12 && d.a.logit_scale == 0.25 &&
                fabs(d.a.residual_scale - 0.7) < 1e-15 && d.a.act == TS_ACT_SILU);
    end(&d);
}

static void grok(void **state)
{
    (void)state;
    described d;
    OK(describe(&d, "--geglu --embedding-multiplier-scale 78.5 --output-multiplier-scale 0.5 "
                    "--add-dense-bias --add-output-layer-bias "
                    "--untie-embeddings-and-output-weights --sliding-window 16"));
    assert_true(d.a.gated && d.a.act == TS_ACT_GELU && d.a.embed_scale == 78.5 &&
                d.a.logit_scale == 0.5);
    assert_true(d.a.bias_proj && !d.a.bias_qkv && !d.a.bias_fc2 && d.a.bias_head);
    assert_int_equal(d.a.layer[3].window, 16);
    end(&d);
}

static void positions(void **state)
{
    (void)state;
    described d;
    OK(describe(&d, "--use-glm-rope --original-max-position-embeddings 8 --rope-scaling-type yarn "
                    "--rope-scaling-factor 4 --rope-scaling-beta-fast 16 --rope-scaling-beta-slow 2"));
    const ts_rope_config *r = &d.a.rope[0];
    assert_true(r->dim == 8 && r->interleaved && r->original_max_positions == 8 &&
                r->beta_fast == 16 && r->beta_slow == 2);
    end(&d);
    OK(describe(&d, "--partial-rotary-factor 0.25"));
    assert_int_equal(d.a.rope[0].dim, 4);
    end(&d);
    OK(describe(&d, "--position-embedding-type learned_absolute --no-position-embedding"));
    assert_int_equal(d.a.position, TS_POSITION_NONE);
    end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gemma2), cmocka_unit_test(minicpm),
                                        cmocka_unit_test(grok), cmocka_unit_test(positions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
