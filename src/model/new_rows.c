#include "model/new_rows.h"

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "model/weights.h"
#include "model/weights_scaled.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_new_rows_options, field, name, def, lo, hi, choices, "tokenizer", help)

const ts_option ts_new_rows_option_rows[] = {
    RUN(FLAG, resize, "resize-vocab", NULL, 0, 0, NULL,
        "where the model has fewer rows than the tokenizer has ids, it gets as many (with new tokens always)"),
    RUN(INT, multiple, "resize-vocab-to-multiple-of", "1", 1, 1 << 20, NULL,
        "a vocabulary that grows gets a multiple of this number of rows"),
    RUN(CHOICE, init, "new-tokens-init", "auto", 0, 0, TS_CHOICES(TS_NEW_ROWS_INITS),
        "values of new rows: around the mean of all as transformers has them (normal), the mean, with noise of variance 1 / "
        "hidden size (noise, LLaMA-Factory's), the mean of the rows of a description's tokens (--new-tokens-config)"),
    TS_ROW(FLAG, ts_new_rows_options, fewer, "allow-ids-without-rows", NULL, 0, 0, NULL, "tokenizer",
           "write a model though its tokenizer has more ids than it has rows, as some come (Gemma 3 1B)"),
};
const size_t ts_new_rows_option_count = sizeof ts_new_rows_option_rows / sizeof *ts_new_rows_option_rows;

/* ---- what options ask for ---- */

static bool describes(int init) { return init == TS_NEW_ROWS_DESCRIPTION || init == TS_NEW_ROWS_DESCRIPTION_NOISE; }

/* Of the tokens that `base` has not: the first one's id, and the words of descriptions in its ids. */
static ts_status read_tokens(const ts_new_tokens *t, const ts_text_tokenizer *base, const ts_text_tokenizer *with,
                             ts_new_rows_want *w)
{
    ts_tokenizer_scratch *scratch;
    TS_TRY(ts_tokenizer_scratch_create(base->tok, &scratch));
    ts_status st = describes((int)w->init) ? ts_alloc(&w->words, (size_t)w->ids, sizeof *w->words) : TS_OK;
    for (size_t i = 0; i < t->n && st == TS_OK; i++) {
        const int32_t id = ts_tokenizer_token_id(with->tok, t->v[i].text);
        const char *words = t->v[i].description;
        if (ts_tokenizer_token_id(base->tok, t->v[i].text) >= 0)
            continue;
        w->from = w->from < 0 || id < w->from ? id : w->from;
        if (w->words && words)
            st = ts_tokenizer_encode(base->tok, scratch, words, strlen(words), false, &w->words[id]);
    }
    ts_tokenizer_scratch_destroy(&scratch);
    return st;
}

static ts_status look_at_tokens(const ts_text_options *text, const ts_text_tokenizer *with, ts_new_rows_want *w)
{
    ts_text_options bare = *text;
    ts_text_tokenizer base;
    ts_new_tokens t;
    bare.add_tokens.n = bare.add_special_tokens.n = 0;
    bare.new_tokens_config = NULL;
    TS_TRY(ts_new_tokens_read(&text->add_tokens, &text->add_special_tokens, text->new_tokens_config, &t));
    ts_status st = ts_text_tokenizer_open(&bare, &base);
    if (st == TS_OK) {
        st = read_tokens(&t, &base, with, w);
        ts_text_tokenizer_close(&base);
    }
    ts_new_tokens_deinit(&t);
    return st;
}

ts_status ts_new_rows_wanted(const ts_new_rows_options *o, const ts_text_options *text, const ts_text_tokenizer *with,
                             uint64_t seed, ts_new_rows_want *out)
{
    const bool grows = ts_text_options_grow(text), given = o->init != TS_NEW_ROWS_AUTO;
    ts_new_rows_want w = { .ids = with->vocab_size, .multiple = o->multiple, .from = -1, .seed = seed, .adds = grows,
                           .init = given                     ? (ts_new_rows_init)o->init
                                   : text->new_tokens_config ? TS_NEW_ROWS_DESCRIPTION
                                                             : TS_NEW_ROWS_NORMAL };
    if (describes((int)w.init) && !text->new_tokens_config)
        return ts_error(TS_ERR_USER, "--new-tokens-init %s: there are no descriptions: give --new-tokens-config FILE",
                        w.init == TS_NEW_ROWS_DESCRIPTION ? "description" : "description-noise");
    if (grows && !with->tok)
        return ts_error(TS_ERR_USER, "--add-tokens: NullTokenizer has numbers alone: give another --tokenizer-type");
    ts_status st = grows ? look_at_tokens(text, with, &w) : TS_OK;
    if (!given && !text->new_tokens_config)
        w.from = -1;
    if (st != TS_OK)
        ts_new_rows_want_deinit(&w);
    else
        *out = w;
    return st;
}

void ts_new_rows_want_deinit(ts_new_rows_want *w)
{
    for (int64_t i = 0; w->words && i < w->ids; i++)
        ts_ids_deinit(&w->words[i]);
    ts_free(&w->words);
}

/* ---- tensors with more rows ---- */

typedef struct grown {
    ts_st_tensor t;
    const ts_st_tensor *base;
    int64_t first, cols; /* rows from `first` on stand in x */
    float *x;            /* NULL: nobody asks for values */
} grown;

enum { TENSORS = 8 }; /* embedding, output layer and bias, and copies for a layer that predicts further tokens */
struct ts_new_rows {
    grown v[TENSORS];
    int n;
};

void ts_new_rows_destroy(ts_new_rows **r)
{
    for (int i = 0; *r && i < (*r)->n; i++)
        ts_free(&(*r)->v[i].x);
    ts_free(r);
}

/* The rows that the file has were found to be readable. */
static void make(const ts_st_tensor *t, int64_t at, int64_t n, float *out)
{
    const grown *g = t->made_of;
    const int64_t end = g->first * g->cols, here = at >= end ? 0 : at + n <= end ? n : end - at;
    const ts_status st = here ? ts_st_read_f32(g->base, at, here, out) : TS_OK;
    TS_ASSERT(st == TS_OK, "%s of %s cannot be read", t->name, t->path);
    if (n > here)
        memcpy(out + here, g->x + (at + here - end), (size_t)(n - here) * sizeof *out);
}

typedef struct making {
    const ts_new_rows_want *w;
    grown *g;
    int64_t rows; /* of which the mean is taken */
    ts_rng rng;
    double *mean; /* [cols] */
    float *row;   /* [cols] */
} making;

static ts_status read_row(const making *m, int64_t row)
{
    return ts_st_read_f32(m->g->base, row * m->g->cols, m->g->cols, m->row);
}

static ts_status find_mean(const making *m)
{
    const int64_t cols = m->g->cols;
    for (int64_t r = 0; r < m->rows; r++) {
        TS_TRY(read_row(m, r));
        for (int64_t c = 0; c < cols; c++)
            m->mean[c] += (double)m->row[c];
    }
    for (int64_t c = 0; c < cols; c++)
        m->mean[c] /= (double)m->rows;
    return TS_OK;
}

static float *new_row(const making *m, int64_t id) { return m->g->x + (id - m->g->first) * m->g->cols; }

/* sqrt(1e-9 / rows) sum over rows r of z_r (row r - mean), z normal: its covariance is 1e-9 that of the rows. It is far
 * smaller than the mean, to which it is added at the end. Rows that no id has are the mean. */
static ts_status scatter(const making *m)
{
    const int64_t cols = m->g->cols;
    const float scale = (float)sqrt(1e-9 / (double)m->rows);
    float z;
    for (int64_t r = 0; r < m->rows; r++) {
        TS_TRY(read_row(m, r));
        for (int64_t c = 0; c < cols; c++)
            m->row[c] -= (float)m->mean[c];
        for (int64_t id = m->g->first; id < m->w->ids; id++) {
            float *to = new_row(m, id);
            ts_rng_normal(&m->rng, (uint64_t)(id * m->rows + r), 1, scale, &z);
            for (int64_t c = 0; c < cols; c++)
                to[c] += z * m->row[c];
        }
    }
    return TS_OK;
}

/* The mean of the rows of a description's tokens; where it has none, that of all. */
static ts_status describe(const making *m, int64_t id)
{
    const ts_ids *words = &m->w->words[id];
    float *to = new_row(m, id);
    int64_t n = 0;
    for (size_t i = 0; i < words->n; i++)
        n += words->v[i] < m->rows;
    if (!n)
        return TS_OK;
    memset(to, 0, (size_t)m->g->cols * sizeof *to);
    for (size_t i = 0; i < words->n; i++) {
        if (words->v[i] >= m->rows)
            continue;
        TS_TRY(read_row(m, words->v[i]));
        for (int64_t c = 0; c < m->g->cols; c++)
            to[c] += m->row[c] / (float)n;
    }
    return TS_OK;
}

static void add_noise(const making *m, int64_t id)
{
    const int64_t cols = m->g->cols;
    float *to = new_row(m, id);
    ts_rng_normal(&m->rng, (uint64_t)(id * cols), cols, (float)(1 / sqrt((double)cols)), m->row);
    for (int64_t c = 0; c < cols; c++)
        to[c] += m->row[c];
}

static ts_status fill(const making *m)
{
    const ts_new_rows_init init = m->w->init;
    const bool is_matrix = m->g->t.rank == 2;
    TS_TRY(find_mean(m));
    if (is_matrix && init == TS_NEW_ROWS_NORMAL)
        TS_TRY(scatter(m));
    for (int64_t id = m->g->first; id < m->g->t.shape[0]; id++)
        for (int64_t c = 0; c < m->g->cols; c++)
            new_row(m, id)[c] += (float)m->mean[c];
    if (!is_matrix) /* of a bias noise is 1e-9 of its spread in transformers, and none in LLaMA-Factory */
        return TS_OK;
    for (int64_t id = m->g->first; id < m->w->ids; id++) {
        if (m->w->words)
            TS_TRY(describe(m, id));
        if (init == TS_NEW_ROWS_NOISE || init == TS_NEW_ROWS_DESCRIPTION_NOISE)
            add_noise(m, id);
    }
    return TS_OK;
}

static ts_status make_values(const ts_new_rows_want *w, grown *g, bool is_output)
{
    making m = { .w = w, .g = g, .rows = g->first < g->base->shape[0] ? g->first : g->base->shape[0],
                 .rng = ts_rng_stream(w->seed, TS_RNG_NEW_ROWS, 0, is_output) };
    TS_TRY(ts_alloc(&g->x, (size_t)((g->t.shape[0] - g->first) * g->cols), sizeof *g->x));
    ts_status st = ts_alloc(&m.mean, (size_t)g->cols, sizeof *m.mean);
    if (st == TS_OK)
        st = ts_alloc(&m.row, (size_t)g->cols, sizeof *m.row);
    if (st == TS_OK)
        st = fill(&m);
    ts_free(&m.mean);
    ts_free(&m.row);
    return st;
}

typedef struct growing {
    const ts_new_rows_want *w;
    ts_st_dir *dir;
    int64_t had, vocab;
    bool computes;
    ts_new_rows *r;
} growing;

static ts_status grow_tensor(growing *x, const ts_st_tensor *base, bool is_output)
{
    grown *g = &x->r->v[x->r->n];
    if (base->made_of && base->make == make) /* under another name, or before */
        return TS_OK;
    if (base->shape[0] != x->had)
        return TS_OK; /* said by who reads it */
    TS_ASSERT(x->r->n < TENSORS, "%s is one of more than %d tensors", base->name, (int)TENSORS);
    *g = (grown){ .t = *base, .base = base, .first = x->w->from >= 0 && x->w->from < x->had ? x->w->from : x->had,
                  .cols = base->rank > 1 ? base->shape[1] : 1 };
    g->t.shape[0] = x->vocab;
    g->t.elements = x->vocab * g->cols;
    g->t.size = (size_t)g->t.elements * (size_t)ts_st_dtype_bits(base->dtype) / 8;
    g->t.data = NULL;
    g->t.make = make;
    g->t.made_of = g;
    x->r->n++;
    if (x->computes)
        TS_TRY(make_values(x->w, g, is_output));
    ts_st_dir_replace(x->dir, &g->t);
    return TS_OK;
}

static bool is_output(const char *param) { return !strncmp(param, "output_layer.", 13); }

static bool of_tokens(const char *param)
{
    return is_output(param) || !strcmp(param, "embedding.word_embeddings.weight");
}

static ts_status grow_all(growing *x, const ts_family *f, const ts_arch *a, const char *folder, const ts_name_map *map)
{
    char head[TS_FAMILY_NAME];
    for (size_t i = 0; i < map->n_tensors; i++) {
        const ts_name_tensor *t = &map->tensor[i];
        const char *param = map->piece[t->first_piece].name;
        const ts_st_tensor *base = of_tokens(param) ? ts_weights_find(f, a, x->dir, t->hf_name) : NULL;
        if (strstr(param, "token_experts"))
            return ts_error(TS_ERR_USER, "%s: its experts are chosen by tokens (%s), so that a new token would have none", folder, t->hf_name);
        if (base && ts_scaled_is(x->dir, base))
            return ts_error(TS_ERR_USER, "%s: tensor %s is in few bits and gets no rows: convert the model with "
                                         "--qlora-save-dequantize first", base->path, base->name);
        if (base)
            TS_TRY(grow_tensor(x, base, is_output(param)));
    }
    snprintf(head, sizeof head, "%s.weight", ts_family_module(f, a, "output_layer")); /* of a tied model, which may have it too */
    const ts_st_tensor *copy = ts_weights_find(f, a, x->dir, head);
    return copy && a->tied ? grow_tensor(x, copy, false) : TS_OK;
}

/* Wherever config.json says the number of rows. */
static ts_status tell(json_t *config, int64_t had, int64_t vocab)
{
    static const char *const keys[] = { "vocab_size", "padded_vocab_size" };
    json_t *places[] = { config, json_object_get(config, "text_config") };
    for (size_t i = 0; i < 4; i++) {
        json_t *v = json_object_get(places[i / 2], keys[i % 2]);
        if (json_is_integer(v) && json_integer_value(v) == had && json_object_set_new(places[i / 2], keys[i % 2], json_integer(vocab)))
            return ts_error(TS_ERR_NOMEM, "no memory");
    }
    return TS_OK;
}

/* That the config says so now. */
static ts_status settle(const ts_family *f, const char *folder, int64_t vocab, ts_arch *a, json_t *config)
{
    ts_arch told;
    ts_arch_init(&told);
    ts_status st = tell(config, a->vocab, vocab);
    if (st == TS_OK)
        st = ts_family_read(f, config, folder, &told);
    if (st == TS_OK && (told.vocab != vocab || a->ngram_order))
        st = ts_error(TS_ERR_USER, "%s: models of this type have more that hangs on the number of tokens than rows of their "
                                   "vocabulary: it cannot get new ones", folder);
    ts_arch_deinit(&told);
    a->vocab = vocab;
    return st;
}

ts_status ts_new_rows_put(const ts_new_rows_want *w, const ts_family *f, const char *folder, bool computes, ts_arch *a,
                          json_t *config, ts_st_dir *dir, ts_new_rows **out)
{
    const int64_t more = (w->ids + w->multiple - 1) / w->multiple * w->multiple, vocab = w->ids > a->vocab ? more : a->vocab;
    growing x = { .w = w, .dir = dir, .had = a->vocab, .vocab = vocab, .computes = computes };
    ts_name_map map = { 0 };
    if (vocab == a->vocab && (w->from < 0 || w->from >= a->vocab))
        return TS_OK;
    TS_TRY(ts_alloc(&x.r, 1, sizeof *x.r));
    ts_status st = ts_family_names(f, a, &map);
    if (st == TS_OK)
        st = grow_all(&x, f, a, folder, &map);
    if (st == TS_OK)
        st = settle(f, folder, vocab, a, config);
    ts_name_map_deinit(&map);
    if (st == TS_OK)
        *out = x.r;
    else
        ts_new_rows_destroy(&x.r);
    return st;
}

ts_status ts_new_rows_check(const ts_new_rows_options *o, const ts_side_files *files, int64_t vocab, const char *option,
                            const char *folder)
{
    int64_t ids;
    if (o->fewer)
        return TS_OK;
    const ts_status st = ts_tokenizer_files_ids(files, &ids);
    if (st == TS_ERR_USER) { /* it may be read by others */
        ts_log(TS_LOG_WARN, "%s %s: whether there is a row for each of the tokenizer's ids is not known: %s", option, folder,
               ts_error_message());
        return TS_OK;
    }
    TS_TRY(st);
    return ids <= vocab ? TS_OK
                        : ts_error(TS_ERR_USER, "%s %s: the tokenizer has ids up to %lld, but the vocabulary (vocab_size) has %lld "
                                   "rows: --resize-vocab gives it as many, --allow-ids-without-rows leaves it so",
                                   option, folder, (long long)ids - 1, (long long)vocab);
}

ts_status ts_new_rows_of_adapter(const char *folder, const ts_family *f, int64_t *out)
{
    ts_st_dir *dir = NULL;
    char name[2 * TS_FAMILY_NAME];
    const char *module = ts_family_module(f, NULL, "embedding.word_embeddings");
    ts_str config = { 0 };
    TS_TRY(ts_path_join(&config, folder, "adapter_config.json"));
    const bool is_one = ts_path_exists(config.s);
    ts_str_deinit(&config);
    *out = 0;
    if (!module || !is_one) /* said by who opens it */
        return TS_OK;
    TS_TRY(ts_st_dir_open(folder, "adapter_model", &dir));
    snprintf(name, sizeof name, "base_model.model.%s.weight", module);
    const ts_st_tensor *t = ts_st_dir_find(dir, name);
    if (t && t->rank == 2)
        *out = t->shape[0];
    ts_st_dir_destroy(&dir);
    return TS_OK;
}
