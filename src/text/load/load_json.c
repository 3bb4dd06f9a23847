/* tokenizer.json. */
#include "text/load/json_cut.h"
#include "text/tok.h"

#include <string.h>

static ts_status take_text(const json_t *o, const char *file, const char *key, char **out,
                           size_t *len)
{
    const char *text;
    TS_TRY(ts_json_text(o, file, key, "", &text));
    *len = strlen(text);
    return ts_strdup(text, out);
}

static ts_status read_vocab(ts_token_model *m, ts_json_reader *r)
{
    const char *s;
    size_t n;
    double id;
    /* An entry takes at least `"":0,`; most take far more. */
    TS_TRY(ts_vocab_reserve(&m->vocab, (size_t)(r->end - r->p) / 24 + 16));
    TS_TRY(ts_json_reader_expect(r, '{'));
    if (ts_json_reader_take(r, '}'))
        return TS_OK;
    do {
        TS_TRY(ts_json_reader_text(r, &s, &n));
        TS_TRY(ts_json_reader_expect(r, ':'));
        TS_TRY(ts_json_reader_number(r, &id));
        if (!(id >= 0 && id < TS_VOCAB_MAX_ID) || id != (double)(int32_t)id)
            return ts_error(TS_ERR_USER,
                            "%s: the id of '%.*s' is %g, expected a whole number from 0 to %d",
                            r->file, (int)(n < 40 ? n : 40), s, id, TS_VOCAB_MAX_ID - 1);
        TS_TRY(ts_vocab_add(&m->vocab, s, n, (int64_t)id));
    } while (ts_json_reader_take(r, ','));
    return ts_json_reader_expect(r, '}');
}

/* [[token, score], ...] */
static ts_status read_scores(ts_token_model *m, ts_json_reader *r)
{
    const char *s;
    size_t n, cap = 0;
    TS_TRY(ts_json_reader_expect(r, '['));
    if (ts_json_reader_take(r, ']'))
        return TS_OK;
    int64_t id = 0;
    do {
        TS_TRY(ts_json_reader_expect(r, '['));
        TS_TRY(ts_json_reader_text(r, &s, &n));
        TS_TRY(ts_json_reader_expect(r, ','));
        TS_TRY(ts_grow(&m->score, &cap, (size_t)id + 1, sizeof *m->score));
        TS_TRY(ts_json_reader_number(r, &m->score[id]));
        TS_TRY(ts_json_reader_expect(r, ']'));
        TS_TRY(ts_vocab_add(&m->vocab, s, n, id));
        if (n > 0)
            TS_TRY(ts_trie_add(&m->trie, s, n, (int32_t)id));
        if (id == 0 || m->score[id] < m->min_score)
            m->min_score = m->score[id];
        id++;
    } while (ts_json_reader_take(r, ','));
    return ts_json_reader_expect(r, ']');
}

/* ["a b", ...] or [["a", "b"], ...] */
static ts_status read_merges(ts_token_model *m, ts_json_reader *r)
{
    const char *a, *b;
    size_t a_len, b_len;
    uint32_t rank = 0;
    TS_TRY(ts_bpe_reserve(&m->bpe, (size_t)(r->end - r->p) / 16));
    TS_TRY(ts_json_reader_expect(r, '['));
    if (ts_json_reader_take(r, ']'))
        return TS_OK;
    do {
        if (ts_json_reader_take(r, '[')) {
            TS_TRY(ts_json_reader_text(r, &a, &a_len));
            TS_TRY(ts_json_reader_expect(r, ','));
            TS_TRY(ts_json_reader_text(r, &b, &b_len));
            TS_TRY(ts_json_reader_expect(r, ']'));
        } else {
            TS_TRY(ts_json_reader_text(r, &a, &b_len));
            if (b_len >= 8 && !memcmp(a, "#version", 8))
                continue;
            b = memchr(a, ' ', b_len);
            a_len = b ? (size_t)(b - a) : 0;
            b_len -= b ? a_len + 1 : 0;
            if (!b || memchr(b + 1, ' ', b_len))
                return ts_error(TS_ERR_USER,
                                "%s: merge %u is not two tokens with one blank between", r->file,
                                rank + 1);
            b++;
        }
        TS_TRY(ts_token_model_add_merge(m, a, a_len, b, b_len, rank++, r->file));
    } while (ts_json_reader_take(r, ','));
    return ts_json_reader_expect(r, ']');
}

static ts_status read_all(ts_status (*read)(ts_token_model *, ts_json_reader *), ts_token_model *m,
                          const char *from, const char *end, const char *file, const char *what)
{
    ts_json_reader r = { .p = from, .end = end, .file = file, .what = what };
    const ts_status st = read(m, &r);
    ts_json_reader_deinit(&r);
    return st;
}

static ts_status kind_of(const json_t *o, const ts_json_cut *cut, const char *file,
                         ts_token_model_kind *kind)
{
    static const struct { const char *type; ts_token_model_kind kind;
    } known[] = {
        { "BPE", TS_MODEL_BPE },
        { "Unigram", TS_MODEL_UNIGRAM },
        { "WordPiece", TS_MODEL_WORDPIECE },
        { "WordLevel", TS_MODEL_WORDLEVEL },
    };
    const char *type;
    TS_TRY(ts_json_text(o, file, "type", NULL, &type));
    for (size_t i = 0; type && i < sizeof known / sizeof *known; i++)
        if (!strcmp(type, known[i].type)) {
            *kind = known[i].kind;
            return TS_OK;
        }
    if (type)
        return ts_error(TS_ERR_USER,
                        "%s: model '%s' is not supported, expected BPE, Unigram, WordPiece or "
                        "WordLevel",
                        file, type);
    /* Older files do not say. */
    if (cut->merges)
        *kind = TS_MODEL_BPE;
    else if (cut->vocab && *cut->vocab == '[')
        *kind = TS_MODEL_UNIGRAM;
    else
        *kind = json_object_get(o, "max_input_chars_per_word") ? TS_MODEL_WORDPIECE
                                                               : TS_MODEL_WORDLEVEL;
    return TS_OK;
}

static ts_status unk_token(ts_token_model *m, const json_t *o, const char *file, const char *def)
{
    const char *name;
    TS_TRY(ts_json_text(o, file, "unk_token", def, &name));
    m->has_unk_name = name != NULL;
    m->unk = name ? ts_vocab_find(&m->vocab, name, strlen(name)) : -1;
    return TS_OK;
}

static ts_status load_bpe(ts_token_model *m, const json_t *o, const ts_json_cut *cut,
                          const char *file)
{
    TS_TRY(ts_json_bool(o, file, "fuse_unk", false, &m->fuse_unk));
    TS_TRY(ts_json_bool(o, file, "byte_fallback", false, &m->byte_fallback));
    TS_TRY(ts_json_bool(o, file, "ignore_merges", false, &m->ignore_merges));
    TS_TRY(take_text(o, file, "continuing_subword_prefix", &m->prefix, &m->prefix_len));
    TS_TRY(take_text(o, file, "end_of_word_suffix", &m->suffix, &m->suffix_len));
    TS_TRY(read_all(read_vocab, m, cut->vocab, cut->vocab_end, file, "model.vocab"));
    TS_TRY(unk_token(m, o, file, NULL));
    if (!cut->merges)
        return ts_error(TS_ERR_USER, "%s: a BPE model needs merges", file);
    TS_TRY(read_all(read_merges, m, cut->merges, cut->merges_end, file, "model.merges"));
    TS_TRY(ts_bpe_settle(&m->bpe));
    m->cut_at_meta = !m->never_cut && !m->ignore_merges && m->prefix_len == 0 &&
                     m->suffix_len == 0 && ts_vocab_find(&m->vocab, "\xE2\x96\x81", 3) >= 0;
    return TS_OK;
}

static ts_status load_unigram(ts_token_model *m, const json_t *o, const ts_json_cut *cut,
                              const char *file)
{
    int64_t unk;
    TS_TRY(ts_json_bool(o, file, "byte_fallback", false, &m->byte_fallback));
    TS_TRY(read_all(read_scores, m, cut->vocab, cut->vocab_end, file, "model.vocab"));
    if (m->vocab.n_ids == 0)
        return ts_error(TS_ERR_USER, "%s: model.vocab is empty", file);
    TS_TRY(ts_json_int(o, file, "unk_id", -1, 0, (int64_t)m->vocab.n_ids - 1, &unk));
    m->unk = (int32_t)unk;
    return TS_OK;
}

static ts_status load_words(ts_token_model *m, const json_t *o, const ts_json_cut *cut,
                            const char *file)
{
    TS_TRY(read_all(read_vocab, m, cut->vocab, cut->vocab_end, file, "model.vocab"));
    if (m->kind == TS_MODEL_WORDLEVEL)
        return unk_token(m, o, file, "<unk>");
    TS_TRY(unk_token(m, o, file, "[UNK]"));
    TS_TRY(ts_json_int(o, file, "max_input_chars_per_word", 100, 0, INT32_MAX, &m->max_chars));
    const char *prefix;
    TS_TRY(ts_json_text(o, file, "continuing_subword_prefix", "##", &prefix));
    m->prefix_len = strlen(prefix);
    TS_TRY(ts_strdup(prefix, &m->prefix));
    for (size_t i = 0; i < m->vocab.n; i++) {
        const ts_vocab_entry *e = &m->vocab.entry[i];
        if (e->len)
            TS_TRY(ts_trie_add(&m->trie, m->vocab.text.s + e->off, e->len, e->id));
    }
    return TS_OK;
}

static ts_status load_model(ts_token_model *m, const json_t *root, const ts_json_cut *cut,
                            const char *file)
{
    const json_t *o = json_object_get(root, "model");
    if (!json_is_object(o) || !cut->vocab)
        return ts_error(TS_ERR_USER, "%s: not a tokenizer.json: it has no model with a vocab",
                        file);
    TS_TRY(kind_of(o, cut, file, &m->kind));
    if (m->kind == TS_MODEL_BPE)
        TS_TRY(load_bpe(m, o, cut, file));
    else if (m->kind == TS_MODEL_UNIGRAM)
        TS_TRY(load_unigram(m, o, cut, file));
    else
        TS_TRY(load_words(m, o, cut, file));
    ts_token_model_find_bytes(m);
    return TS_OK;
}

/* The id of an added token: the model's where it knows the text, else the next free one,
 * whatever the file says; so it is done where these files come from. */
static int64_t added_id(const ts_tokenizer *tok, const char *s, size_t n, int64_t next)
{
    const int32_t in_model = ts_vocab_find(&tok->model.vocab, s, n);
    const int32_t known = ts_added_find(&tok->added, s, n);
    return known >= 0 ? known : in_model >= 0 ? in_model : next;
}

static ts_status load_added(ts_tokenizer *tok, const json_t *root, const char *file)
{
    const json_t *list = json_object_get(root, "added_tokens");
    const int64_t n_model = (int64_t)tok->model.vocab.n;
    int64_t highest = -1;
    if (list && !json_is_null(list) && !json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: added_tokens must be a list", file);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i), *text = json_object_get(o, "content");
        ts_added_token t = { 0 };
        if (!json_is_string(text))
            return ts_error(TS_ERR_USER, "%s: added token %zu has no content", file, i);
        TS_TRY(ts_json_bool(o, file, "special", false, &t.special));
        TS_TRY(ts_json_bool(o, file, "normalized", !t.special, &t.normalized));
        TS_TRY(ts_json_bool(o, file, "single_word", false, &t.single_word));
        TS_TRY(ts_json_bool(o, file, "lstrip", false, &t.lstrip));
        TS_TRY(ts_json_bool(o, file, "rstrip", false, &t.rstrip));
        const char *s = json_string_value(text);
        const size_t n = json_string_length(text);
        const int64_t next = highest >= n_model || n_model == 0 ? highest + 1 : n_model;
        const int64_t id = added_id(tok, s, n, next);
        if (n == 0)
            continue;
        t.id = (int32_t)id;
        TS_TRY(ts_added_add(&tok->added, s, n, t));
        highest = id > highest ? id : highest;
    }
    return ts_added_finish(&tok->added, &tok->norm, file);
}

static ts_status load_parts(ts_tokenizer *tok, const json_t *root, const ts_json_cut *cut,
                            const char *file)
{
    if (!json_is_object(root))
        return ts_error(TS_ERR_USER, "%s: not a tokenizer.json: expected an object", file);
    TS_TRY(load_model(&tok->model, root, cut, file));
    TS_TRY(ts_normalizer_load(&tok->norm, json_object_get(root, "normalizer"), file));
    TS_TRY(ts_pretoken_load(&tok->pre, json_object_get(root, "pre_tokenizer"), file));
    TS_TRY(ts_postproc_load(&tok->post, json_object_get(root, "post_processor"), file));
    TS_TRY(ts_decoder_load(&tok->dec, json_object_get(root, "decoder"), file));
    TS_TRY(load_added(tok, root, file));
    if (tok->model.kind == TS_MODEL_BPE && ts_pretoken_take_bytes(&tok->pre))
        TS_TRY(ts_token_model_use_bytes(&tok->model));
    ts_pretoken_finish(&tok->pre);
    tok->unk = tok->model.unk;
    return TS_OK;
}

ts_status ts_load_json(ts_tokenizer *tok, const char *text, size_t n, const char *file)
{
    ts_json_cut cut = { 0 };
    json_t *root = NULL;
    ts_status st = ts_json_cut_init(&cut, text, n);
    if (st == TS_OK)
        st = ts_json_parse(ts_str_text(&cut.rest), cut.rest.len, file, &root);
    if (st == TS_OK)
        st = load_parts(tok, root, &cut, file);
    json_decref(root);
    ts_str_deinit(&cut.rest);
    return st;
}
