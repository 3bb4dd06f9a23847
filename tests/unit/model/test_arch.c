/* The description's rows: every field has one, and what goes by them sees every field. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/file.h"
#include "model/arch_rows.h"
#include "model/param_list.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Everything that a field may need to count is there: two rotary embeddings of which longrope is one,
 * layers of every kind. */
static void describe(ts_arch *a, ts_rope_scaling scaling)
{
    ts_arch_init(a);
    a->n_layers = 3, a->hidden = 16, a->n_heads = 4, a->n_kv_heads = 2, a->head_dim = 8;
    a->ffn = 20, a->vocab = 24, a->max_positions = 32, a->n_ropes = 2;
    for (int i = 0; i < 2; i++) {
        a->rope[i] = (ts_rope_config){ .theta = 10000, .dim = 4, .scaling = scaling, .factor = 2,
                                       .low_freq_factor = 1, .high_freq_factor = 4,
                                       .original_max_positions = 16, .beta_fast = 32,
                                       .beta_slow = 1, .mscale = 1, .mscale_all_dim = 0.5,
                                       .max_positions = 32, .angles = 1 };
        for (int k = 0; k < 4; k++)
            a->rope[i].short_factor[k] = a->rope[i].long_factor[k] = 1;
    }
    a->rope[1].theta = 500;
    a->n_experts = 4, a->experts_per_token = 2, a->expert_ffn = 8, a->shared_ffn = 12;
    a->temper_every = 4;
    a->per_layer_width = 2, a->per_layer_vocab = 10, a->altup_inputs = 2, a->laurel_rank = 3, a->post_norm = true;
    a->n_eos = 2, a->eos[0] = 3, a->eos[1] = 4, a->bos = 5, a->pad = 6;
    OK(ts_arch_layers(a, 0));
    OK(ts_arch_check(a, "test"));
}

/* The same with latent attention in all layers. */
static void describe_latent(ts_arch *a)
{
    describe(a, TS_ROPE_DEFAULT);
    a->n_kv_heads = a->n_heads;
    a->kv_lora_rank = 8, a->q_lora_rank = 6, a->qk_rope_dim = 4, a->v_head_dim = 8;
    a->index_heads = 2, a->index_dim = 8, a->index_topk = 4;
    OK(ts_arch_layers(a, 0));
    OK(ts_arch_check(a, "test"));
}

/* Of latent attention alone. */
static bool is_latent(const ts_field_row *r)
{
    static const size_t of[] = { offsetof(ts_arch, bias_down), offsetof(ts_arch, kv_lora_rank),
                                 offsetof(ts_arch, q_lora_rank), offsetof(ts_arch, qk_rope_dim),
                                 offsetof(ts_arch, v_head_dim), offsetof(ts_arch, latent_norm),
                                 offsetof(ts_arch, index_heads), offsetof(ts_arch, index_dim),
                                 offsetof(ts_arch, index_topk) };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (r->offset == of[i])
            return true;
    return false;
}

/* Another value of a number's field. */
static double other(const ts_field_row *r, double v)
{
    switch (r->type) {
    case TS_FIELD_BOOL:
        return v == 0;
    case TS_FIELD_CHOICE: {
        size_t n;
        return ts_field_choice(r->choices, (int)v + 1, &n) ? v + 1 : v - 1;
    }
    case TS_FIELD_INT:
        return v + 1;
    default:
        return v / 2 + 0.125;
    }
}

static bool json_equal_of(const ts_arch *a, const ts_arch *b)
{
    json_t *x = NULL, *y = NULL;
    OK(ts_arch_write(a, &x));
    OK(ts_arch_write(b, &y));
    const bool same = json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

/* a and b must differ, in words and in JSON. */
static void must_differ(const char *what, const ts_arch *a, const ts_arch *b)
{
    ts_str words = { 0 };
    int n = 0;
    OK(ts_arch_differences(a, b, &words, &n));
    if (ts_arch_equal(a, b) || n < 1 || !words.len)
        fail_msg("another %s is no difference", what);
    if (json_equal_of(a, b))
        fail_msg("another %s is not seen in JSON", what);
    ts_str_deinit(&words);
}

/* ---- every field ---- */

/* Rows of a field, or of the parts of one that is a struct. */
static size_t parts_of(const ts_field_row *rows, size_t n, const char *field)
{
    const size_t length = strlen(field);
    size_t parts = 0;
    for (size_t i = 0; i < n; i++)
        parts += !strncmp(rows[i].field, field, length) && (!rows[i].field[length] || rows[i].field[length] == '.');
    return parts;
}

/* Text without comments, in place. */
static void strip_comments(char *s)
{
    for (char *c; (c = strstr(s, "/*"));) {
        char *end = strstr(c, "*/");
        assert_non_null(end);
        memset(c, ' ', (size_t)(end + 2 - c));
    }
}

/* Each field that the header declares in a struct has its row, and each row its field. */
static void covers(const char *header, const char *name, const ts_field_row *rows, size_t n)
{
    char begin[64], end[64];
    size_t found = 0;
    snprintf(begin, sizeof begin, "typedef struct %s {", name);
    snprintf(end, sizeof end, "} %s;", name);
    const char *from = strstr(header, begin), *to = from ? strstr(from, end) : NULL;
    assert_non_null(to);
    from += strlen(begin);
    for (const char *c = from; c < to; c++) {
        if (*c != ';' && *c != ',')
            continue;
        const char *last = c; /* behind the declarator's name */
        for (const char *b = c; b > from && b[-1] != ';' && b[-1] != ','; b--)
            if (b[-1] == '[')
                last = b - 1;
        const char *first = last;
        while (first > from && (isalnum((unsigned char)first[-1]) || first[-1] == '_'))
            first--;
        char field[64];
        snprintf(field, sizeof field, "%.*s", (int)(last - first), first);
        const size_t parts = parts_of(rows, n, field);
        if (!strcmp(field, "vision")) /* a description of its own, with rows of its own */
            continue;
        if (!parts)
            fail_msg("%s.%s has no row in src/model/arch_rows.c", name, field);
        found += parts;
    }
    if (found != n)
        fail_msg("%s has %zu fields and %zu rows", name, found, n);
}

static void test_cover(void **state)
{
    (void)state;
    ts_str text = { 0 };
    OK(ts_file_read("src/model/arch.h", &text));
    strip_comments(text.s);
    covers(text.s, "ts_arch", ts_arch_rows, ts_arch_row_count);
    covers(text.s, "ts_layer_arch", ts_layer_rows, ts_layer_row_count);
    covers(text.s, "ts_rope_config", ts_rope_rows, ts_rope_row_count);
    ts_str_deinit(&text);
}

/* ---- every value ---- */

static void test_fields(void **state)
{
    (void)state;
    ts_arch a, b;
    for (size_t i = 0; i < ts_arch_row_count; i++) {
        const ts_field_row *r = &ts_arch_rows[i];
        describe(&a, TS_ROPE_DEFAULT);
        OK(ts_arch_copy(&a, &b));
        if (ts_field_is_number(r))
            ts_field_set(&b, r, other(r, ts_field_get(&b, r)));
        if (r->offset == offsetof(ts_arch, n_layers))
            b.n_layers = 2;
        for (size_t k = 0; k < ts_layer_row_count; k++) /* the default of layers: made anew */
            if (ts_layer_rows[k].model && !strcmp(ts_layer_rows[k].model, r->key))
                OK(ts_arch_layers(&b, 0));
        if (ts_field_is_told(r))
            must_differ(r->key, &a, &b);
        else if (r->apart)
            assert_true(r->offset == offsetof(ts_arch, family) ||
                        r->offset == offsetof(ts_arch, pad_frozen) ||
                        r->offset == offsetof(ts_arch, experts_stacked) || r->offset == offsetof(ts_arch, hyper_start) ||
                        r->offset == offsetof(ts_arch, other_names) ||
                        r->offset == offsetof(ts_arch, has_ahead));
        ts_arch_deinit(&a);
        ts_arch_deinit(&b);
    }
    describe(&a, TS_ROPE_DEFAULT);
    OK(ts_arch_copy(&a, &b));
    b.eos[1] = 7;
    must_differ("eos", &a, &b);
    b.eos[1] = a.eos[1], b.n_eos = 1;
    must_differ("n_eos", &a, &b);
    ts_arch_deinit(&a);
    ts_arch_deinit(&b);
}

static void describe_hybrid(ts_arch *a)
{
    ts_arch_init(a);
    a->n_layers = 2, a->hidden = 16, a->n_heads = a->n_kv_heads = 2, a->head_dim = 16, a->ffn = 12, a->vocab = 20;
    a->max_positions = 9, a->position = TS_POSITION_NONE, a->adapter_rank = 3;
    a->mamba.heads = 4, a->mamba.head_dim = 8, a->mamba.groups = a->mamba.norm_groups = 2;
    a->mamba.state = 5, a->mamba.conv = 4;
    OK(ts_arch_layers(a, 0));
    for (int i = 0; i < 2; i++)
        a->layer[i].attention = TS_ATTENTION_HYBRID, a->layer[i].shared = 1;
}

static void describe_compressed(ts_arch *a)
{
    ts_arch_init(a);
    a->n_layers = 2, a->hidden = 16, a->n_heads = 4, a->n_kv_heads = 1, a->head_dim = 8, a->ffn = 12, a->vocab = 20;
    a->max_positions = 9, a->q_lora_rank = 6, a->out_groups = 2, a->out_rank = 3;
    a->index_heads = 2, a->index_dim = 6, a->index_topk = 4;
    a->n_experts = 4, a->experts_per_token = 2, a->expert_ffn = 12;
    a->rope[0] = (ts_rope_config){ .theta = 100, .dim = 4, .interleaved = true, .factor = 1 }, a->n_ropes = 1;
    OK(ts_arch_layers(a, 4));
    for (int i = 0; i < 2; i++)
        a->layer[i].attention = TS_ATTENTION_COMPRESSED, a->layer[i].compress = 2, a->layer[i].mlp = TS_MLP_EXPERTS;
}

static bool is_compressed(const ts_field_row *r)
{
    return r->offset == offsetof(ts_layer_arch, compress) || r->offset == offsetof(ts_layer_arch, sparse) ||
           r->offset == offsetof(ts_layer_arch, hashed);
}

static void test_layers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ts_layer_row_count; i++) {
        const ts_field_row *r = &ts_layer_rows[i];
        size_t n;
        ts_arch a, b, back;
        json_t *o;
        if (r->type == TS_FIELD_CHOICE && !ts_field_choice(r->choices, 1, &n))
            continue; /* there is only one */
        if (r->offset == offsetof(ts_layer_arch, attention) || r->offset == offsetof(ts_layer_arch, choices_of))
            describe_latent(&a);
        else if (r->offset == offsetof(ts_layer_arch, shared))
            describe_hybrid(&a);
        else if (is_compressed(r))
            describe_compressed(&a);
        else
            describe(&a, TS_ROPE_DEFAULT);
        if (r->offset == offsetof(ts_layer_arch, shortcut))
            a.residual_scale = 1, a.parallel_residual = a.shared_norm = false, a.altup_inputs = 0;
        if (r->offset == offsetof(ts_layer_arch, joined)) {
            a.parallel_residual = a.shared_norm = a.norm_bare = false, a.altup_inputs = 0, a.shared_ffn = 0;
            a.pre_norm = a.post_norm = true;
        }
        if (r->offset == offsetof(ts_layer_arch, choices_of))
            a.q_lora_rank = 6, a.index_heads = 2, a.index_dim = 2 * a.qk_rope_dim, a.index_topk = 4;
        if (r->offset == offsetof(ts_layer_arch, kv_heads))
            a.layer[1].kv_heads = 1; /* and 2 of 4 heads */
        if (r->offset == offsetof(ts_layer_arch, heads))
            a.layer[1].heads = 5; /* and 6 over 2 heads of keys */
        if (r->offset == offsetof(ts_layer_arch, head_dim))
            a.layer[1].head_dim = 9;
        OK(ts_arch_copy(&a, &b));
        const int64_t at = r->offset != offsetof(ts_layer_arch, shortcut); /* experts' results go to the next layer */
        ts_field_set(&b.layer[at], r, other(r, ts_field_get(&b.layer[at], r)));
        if (r->offset == offsetof(ts_layer_arch, position)) /* learned ones are of all layers */
            b.layer[1].position = TS_POSITION_NONE;
        must_differ(r->key, &a, &b);
        ts_arch_init(&back);
        OK(ts_arch_write(&b, &o));
        OK(ts_arch_read(o, "state.json", &back));
        assert_true(ts_arch_equal(&b, &back));
        assert_false(ts_arch_equal(&a, &back));
        json_decref(o);
        ts_arch_deinit(&back);
        ts_arch_deinit(&b);
        ts_arch_deinit(&a);
    }
}

/* Of a batch that is longer than all lengths of the description. */
static bool same_table(const ts_rope_config *a, const ts_rope_config *b)
{
    enum { POSITIONS = 40, N = POSITIONS * 4 };
    float x[2][N] = { 0 }, y[2][N] = { 0 };
    ts_rope_table(a, POSITIONS, POSITIONS, x[0], x[1]);
    ts_rope_table(b, POSITIONS, POSITIONS, y[0], y[1]);
    return !memcmp(x, y, sizeof x);
}

static void test_ropes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ts_rope_row_count; i++) {
        const ts_field_row *r = &ts_rope_rows[i];
        for (int s = TS_ROPE_DEFAULT; s <= TS_ROPE_PROPORTIONAL; s++) {
            const bool counts = !r->scalings || (r->scalings >> s & 1);
            ts_arch a, b;
            describe(&a, (ts_rope_scaling)s);
            OK(ts_arch_copy(&a, &b));
            char *field = (char *)&b.rope[0] + r->offset;
            if (ts_field_is_number(r))
                ts_field_set(&b.rope[0], r, other(r, ts_field_get(&b.rope[0], r)));
            else
                ((float *)(void *)field)[1] = 3;
            if (!counts && !same_table(&a.rope[0], &b.rope[0]))
                fail_msg("%s matters to scaling %d", r->key, s);
            if (counts)
                must_differ(r->key, &a, &b);
            else
                assert_true(ts_arch_equal(&a, &b)); /* a number that the scaling does not use */
            ts_arch_deinit(&a);
            ts_arch_deinit(&b);
        }
    }
}

/* ---- defaults, bounds, parameters ---- */

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ts_arch_row_count; i++) {
        const ts_field_row *r = &ts_arch_rows[i];
        ts_arch a;
        if (!r->name)
            continue;
        describe(&a, TS_ROPE_DEFAULT);
        const double v = ts_field_get(&a, r);
        if (r->type == TS_FIELD_REAL) { /* beyond any whole number */
            ts_field_set(&a, r, 1e300);
            REFUSED(ts_arch_check(&a, "config.json"), TS_ERR_USER, r->name);
        }
        ts_field_set(&a, r, r->hi + 1);
        REFUSED(ts_arch_check(&a, "config.json"), TS_ERR_USER, r->name);
        ts_field_set(&a, r, r->above ? r->lo : r->lo - 1);
        REFUSED(ts_arch_check(&a, "config.json"), TS_ERR_USER, r->name);
        ts_field_set(&a, r, v);
        OK(ts_arch_check(&a, "config.json"));
        ts_arch_deinit(&a);
    }
}

static bool same_parameters(const ts_arch *a, const ts_arch *b)
{
    ts_param_list x, y;
    OK(ts_param_list_make(a, &x));
    OK(ts_param_list_make(b, &y));
    bool same = ts_names_count(x.names) == ts_names_count(y.names);
    for (size_t i = 0; same && i < ts_names_count(x.names); i++)
        same = !strcmp(ts_names_text(x.names, i), ts_names_text(y.names, i)) &&
               !memcmp(&x.param[i], &y.param[i], sizeof *x.param);
    ts_param_list_deinit(&x);
    ts_param_list_deinit(&y);
    return same;
}

/* A row says whether its value is one of those that parameters go by. */
static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ts_arch_row_count; i++) {
        const ts_field_row *r = &ts_arch_rows[i];
        ts_arch a, b;
        if (!ts_field_is_number(r) || r->offset == offsetof(ts_arch, n_layers))
            continue;
        if (strchr(r->field, '.') || strstr(r->field, "adapt") || !strncmp(r->field, "out_", 4)) /* of layers that the description has none of */
            continue;
        if (is_latent(r))
            describe_latent(&a);
        else
            describe(&a, TS_ROPE_DEFAULT);
        if (r->offset == offsetof(ts_arch, max_positions))
            ts_arch_set_position(&a, TS_POSITION_LEARNED);
        a.layer[0].mlp = TS_MLP_EXPERTS;
        if (!strncmp(r->field, "ngram_", 6))
            a.ngram_order = 3, a.ngram_splits = 2, a.ngram_ratio = 2;
        OK(ts_arch_copy(&a, &b));
        ts_field_set(&b, r, r->offset == offsetof(ts_arch, n_heads) ? 8 : other(r, ts_field_get(&b, r)));
        OK(ts_arch_layers(&b, 0));
        b.layer[0].mlp = TS_MLP_EXPERTS;
        if (same_parameters(&a, &b) == r->shapes)
            fail_msg("parameters %s with another %s", r->shapes ? "stay" : "change", r->key);
        ts_arch_deinit(&a);
        ts_arch_deinit(&b);
    }
}

/* ---- layers of several kinds ---- */

/* A checkpoint of before has no lists of kinds: its layers are as the model's fields say. */
static void test_old_json(void **state)
{
    (void)state;
    ts_arch a, back;
    json_t *o;
    describe(&a, TS_ROPE_DEFAULT);
    a.gated = false;
    OK(ts_arch_layers(&a, 5));
    OK(ts_arch_write(&a, &o));
    for (size_t i = 0; i < ts_layer_row_count; i++)
        assert_true(!json_object_get(o, ts_layer_rows[i].key) == !ts_layer_rows[i].always);
    ts_arch_init(&back);
    OK(ts_arch_read(o, "state.json", &back));
    for (int64_t i = 0; i < a.n_layers; i++) {
        assert_int_equal(back.layer[i].mlp, TS_MLP_PLAIN);
        assert_int_equal(back.layer[i].position, TS_POSITION_ROPE);
        assert_int_equal(back.layer[i].window, 5);
    }
    ts_arch_deinit(&back);
    json_object_set_new(o, "layer_mlps", json_pack("[s,s,s]", "gated", "plain", "round"));
    ts_arch_init(&back);
    REFUSED(ts_arch_read(o, "state.json", &back), TS_ERR_USER,
            "state.json: layer_mlps is \"round\", expected one of plain|gated");
    ts_arch_deinit(&back);
    json_object_del(o, "layer_mlps");
    json_object_set_new(o, "layer_positions", json_pack("[s,s,s]", "rope", "rope", "learned"));
    ts_arch_init(&back);
    REFUSED(ts_arch_read(o, "state.json", &back), TS_ERR_USER, "learned positions come with");
    ts_arch_deinit(&back);
    ts_arch_deinit(&a);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cover),  cmocka_unit_test(test_fields),
        cmocka_unit_test(test_layers), cmocka_unit_test(test_ropes),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_old_json),
    };
    return cmocka_run_group_tests_name("a model's description", tests, NULL, NULL);
}
