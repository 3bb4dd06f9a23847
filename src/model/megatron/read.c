#include "model/megatron/read.h"
#include "model/megatron/read_parts.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 1 << 16, MAX_LAYERS = 1 << 16, MAX_CHUNKS = 1024 };

/* ---- folders ---- */

static const char file_name[] = "model_optim_rng.pt";

/* Whether a folder has files of ranks. */
static bool has_ranks(const char *folder)
{
    char **names;
    size_t n;
    bool found = false;
    ts_str path = { 0 };
    if (!ts_path_is_dir(folder) || ts_dir_list(folder, &names, &n) != TS_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!found && !strncmp(names[i], "mp_rank_", 8))
            found = ts_str_printf(&path, "%s/%s/%s", folder, names[i], file_name) == TS_OK && ts_path_exists(path.s);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return found;
}

static bool has_checkpoint(const char *folder) { return has_ranks(folder) || ts_mg_dist_is(folder); }

/* What the tracker of a folder says: "iter_0000100", "release"; empty: nothing. */
static ts_status read_tracker(const char *path, ts_str *out)
{
    ts_str file = { 0 }, text = { 0 };
    ts_status st = ts_path_join(&file, path, "latest_checkpointed_iteration.txt");
    if (st == TS_OK && ts_path_exists(file.s))
        st = ts_file_read(file.s, &text);
    size_t n = text.len;
    while (n && strchr(" \r\n\t", text.s[n - 1]))
        n--;
    if (st == TS_OK && n == 7 && !memcmp(text.s, "release", n))
        st = ts_str_puts(out, "release");
    else if (st == TS_OK && n && n < 16 && strspn(text.s, "0123456789") == n)
        st = ts_str_printf(out, "iter_%07lld", strtoll(text.s, NULL, 10));
    ts_str_deinit(&text);
    ts_str_deinit(&file);
    return st;
}

/* The last iteration of a folder without tracker; empty: none. */
static ts_status last_iteration(const char *path, ts_str *out)
{
    char **names;
    size_t n;
    ts_str folder = { 0 };
    TS_TRY(ts_dir_list(path, &names, &n));
    ts_status st = TS_OK;
    for (size_t i = n; i-- > 0;) {
        if (st == TS_OK && !out->len && !strncmp(names[i], "iter_", 5) && ts_path_join(&folder, path, names[i]) == TS_OK &&
            has_checkpoint(folder.s))
            st = ts_str_puts(out, names[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&folder);
    return st;
}

/* The folder of the iteration that is asked for; empty: there is none. */
static ts_status find_folder(const char *path, int64_t step, ts_str *out)
{
    ts_str name = { 0 };
    ts_status st = TS_OK;
    if (has_checkpoint(path))
        return ts_str_puts(out, path);
    if (!ts_path_is_dir(path))
        return TS_OK;
    if (step >= 0)
        st = ts_str_printf(&name, "iter_%07lld", (long long)step);
    else
        st = read_tracker(path, &name);
    if (st == TS_OK && !name.len)
        st = last_iteration(path, &name);
    if (st == TS_OK && name.len)
        st = ts_path_join(out, path, name.s);
    if (st == TS_OK && out->len && !has_checkpoint(out->s))
        ts_str_reset(out);
    ts_str_deinit(&name);
    return st;
}

bool ts_mg_checkpoint_is(const char *path)
{
    ts_str folder = { 0 };
    const bool found = find_folder(path, -1, &folder) == TS_OK && folder.len;
    ts_str_deinit(&folder);
    return found;
}

bool ts_mg_checkpoint_is_dist(const char *path)
{
    ts_str folder = { 0 };
    const bool found = find_folder(path, -1, &folder) == TS_OK && folder.len && !has_ranks(folder.s);
    ts_str_deinit(&folder);
    return found;
}

/* ---- args ---- */

static const ts_pickle_node *arg(const ts_mg_checkpoint *ck, const char *name) { return ts_pickle_get(ck->args, name); }

static ts_status count_arg(const ts_mg_checkpoint *ck, const char *name, int64_t most, int64_t *out)
{
    const ts_pickle_node *v = arg(ck, name);
    *out = 1;
    if (!v || ts_pickle_is(v, TS_PICKLE_NONE) || ts_pickle_int(v, 1, most, out))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: its args say no whole number from 1 to %lld as %s", ck->folder, (long long)most, name);
}

static bool is_on(const ts_mg_checkpoint *ck, const char *name)
{
    const ts_pickle_node *v = arg(ck, name);
    return ts_pickle_is(v, TS_PICKLE_BOOL) && v->truth;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* "1,2", or a list or set of numbers. */
static ts_status numbers_arg(const ts_mg_checkpoint *ck, const char *name, int64_t **out, int64_t *n)
{
    const ts_pickle_node *v = arg(ck, name);
    const bool is_text = ts_pickle_is(v, TS_PICKLE_TEXT);
    const size_t most = is_text ? v->text.n : ts_pickle_count(v);
    if (!v || !most || most > MAX_LAYERS)
        return TS_OK;
    TS_TRY(ts_alloc(out, most, sizeof **out));
    for (size_t i = 0; !is_text && i < most; i++)
        if (ts_pickle_int(ts_pickle_at(v, i), 0, MAX_LAYERS, &(*out)[*n]))
            ++*n;
    bool inside = false;
    for (size_t i = 0; is_text && i < most; i++) {
        const char c = v->text.s[i];
        if (c < '0' || c > '9') {
            inside = false;
            continue;
        }
        if (!inside)
            (*out)[(*n)++] = 0;
        inside = true;
        int64_t *x = &(*out)[*n - 1];
        *x = *x > MAX_LAYERS ? *x : *x * 10 + (c - '0');
    }
    qsort(*out, (size_t)*n, sizeof **out, ascending);
    return TS_OK;
}

static ts_status read_args(ts_mg_checkpoint *ck)
{
    ts_mg_split *s = &ck->split;
    int64_t expert_tp;
    TS_TRY(count_arg(ck, "tensor_model_parallel_size", MAX_RANKS, &s->tp));
    TS_TRY(count_arg(ck, "pipeline_model_parallel_size", MAX_RANKS, &s->pp));
    TS_TRY(count_arg(ck, "expert_model_parallel_size", MAX_RANKS, &s->ep));
    TS_TRY(count_arg(ck, "expert_tensor_parallel_size", MAX_RANKS, &expert_tp));
    s->experts_whole = expert_tp == 1 && s->tp > 1 && arg(ck, "expert_tensor_parallel_size") &&
                       !ts_pickle_is(arg(ck, "expert_tensor_parallel_size"), TS_PICKLE_NONE);
    s->tp_extends_ep = is_on(ck, "moe_tp_extend_ep");
    s->folds = ts_pickle_is_text(arg(ck, "schedules_method"), "dualpipev");
    if (s->tp * s->pp * s->ep > MAX_RANKS || s->tp * s->pp > MAX_RANKS)
        return ts_error(TS_ERR_USER, "%s: its args say that it has more than %d ranks", ck->folder, MAX_RANKS);
    TS_TRY(numbers_arg(ck, "noop_layers", &ck->noop, &s->n_noop));
    s->noop = ck->noop;
    return TS_OK;
}

/* ---- files ---- */

ts_mg_rank_file *ts_mg_rank_file_of(const ts_mg_checkpoint *ck, const ts_mg_rank *r)
{
    return &ck->file[(r->p * ck->split.ep + r->e) * ck->split.tp + r->t];
}

static ts_status open_file(const ts_mg_checkpoint *ck, const char *rank, ts_torch_file **out)
{
    ts_str path = { 0 };
    ts_status st = ts_str_printf(&path, "%s/%s/%s", ck->folder, rank, file_name);
    if (st == TS_OK && !ts_path_exists(path.s))
        st = ts_error(TS_ERR_USER, "%s: is missing; args say that the checkpoint has %lld x %lld x %lld ranks (tensor, pipeline, expert)",
                      path.s, (long long)ck->split.tp, (long long)ck->split.pp, (long long)ck->split.ep);
    if (st == TS_OK)
        st = ts_torch_file_open(path.s, out);
    ts_str_deinit(&path);
    return st;
}

/* The options, which are the state of a Namespace. */
static const ts_pickle_node *args_of(const ts_pickle_node *root)
{
    const ts_pickle_node *args = ts_pickle_get(root, "args");
    return ts_pickle_is(args, TS_PICKLE_CALL) ? args->call.state : args;
}

/* The first rank's file, by name, which says how many there are. */
static ts_status open_first(ts_mg_checkpoint *ck, ts_torch_file **out)
{
    char **names;
    size_t n;
    ts_status st = ts_dir_list(ck->folder, &names, &n);
    TS_TRY(st);
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK && !*out && !strncmp(names[i], "mp_rank_", 8))
            st = open_file(ck, names[i], out);
        ts_free(&names[i]);
    }
    ts_free(&names);
    TS_TRY(st);
    ck->args = args_of(ts_torch_file_root(*out));
    return ts_pickle_is(ck->args, TS_PICKLE_DICT)
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: has no args (the options of the run that saved it)", ts_torch_file_path(*out));
}

const ts_pickle_node *ts_mg_dict(const ts_mg_checkpoint *ck, const ts_mg_rank_file *f, int64_t chunk)
{
    char key[24];
    snprintf(key, sizeof key, ck->chunks > 1 ? "model%lld" : "model", (long long)chunk);
    return ts_pickle_get(ts_torch_file_root(f->file), key);
}

static int64_t count_chunks(const ts_pickle_node *root)
{
    char key[24];
    int64_t n = 0;
    for (; n < MAX_CHUNKS; n++) {
        snprintf(key, sizeof key, "model%lld", (long long)n);
        if (!ts_pickle_is(ts_pickle_get(root, key), TS_PICKLE_DICT))
            break;
    }
    return n ? n : 1;
}

/* ---- what the tensors' names tell ---- */

/* The number behind a prefix, -1: it begins otherwise. */
static int64_t number_behind(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
        return -1;
    const int64_t v = strtoll(name + n, NULL, 10);
    return v < MAX_LAYERS ? v : MAX_LAYERS;
}

static void look_at_name(ts_mg_checkpoint *ck, const char *name, int64_t *layers)
{
    ts_mg_split *s = &ck->split;
    const int64_t layer = number_behind(name, "decoder.layers."), further = number_behind(name, "mtp.layers.");
    if (layer >= *layers)
        *layers = layer + 1;
    if (further >= ck->mtp_layers)
        ck->mtp_layers = further + 1;
    s->norms_inside |= strstr(name, "linear_qkv.layer_norm_weight") || strstr(name, "linear_fc1.layer_norm_weight");
    s->core_names |= strstr(name, "linear_kv_down_proj") || (further >= 0 && strstr(name, "final_layernorm.weight"));
    s->mla_split |= strstr(name, "linear_qk_nope") != NULL;
    ck->proj_bias |= strstr(name, "linear_proj.bias") != NULL;
    ck->qkv_bias |= strstr(name, "linear_qkv.bias") != NULL;
    ck->qk_norm |= strstr(name, "self_attention.q_layernorm") != NULL;
    if (strstr(name, "mlp.experts.weight1"))
        s->experts = TS_MG_GROUPED;
    if (strstr(name, "mlp.experts.linear_fc1.weight"))
        s->experts = TS_MG_NUMBERED;
}

static void look_at_key(ts_mg_checkpoint *ck, const ts_pickle_node *key, int64_t *layers)
{
    char name[256];
    if (!ts_pickle_is(key, TS_PICKLE_TEXT) || key->text.n >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)key->text.n, key->text.s);
    look_at_name(ck, name, layers);
}

static ts_status look_at_names(ts_mg_checkpoint *ck)
{
    ts_mg_split *s = &ck->split;
    int64_t all = 0;
    TS_TRY(ts_alloc(&ck->stage_layers, (size_t)s->pp, sizeof *ck->stage_layers));
    for (int64_t p = 0; p < s->pp; p++) {
        const ts_mg_rank_file *f = ts_mg_rank_file_of(ck, &(ts_mg_rank){ .p = p });
        for (int64_t c = 0; c < ck->chunks; c++) {
            const ts_pickle_node *dict = ts_mg_dict(ck, f, c);
            if (!ts_pickle_is(dict, TS_PICKLE_DICT))
                return ts_error(TS_ERR_USER, "%s: has no dict of tensors \"model%s\"", ts_torch_file_path(f->file), ck->chunks > 1 ? "0\", ..., \"modelN" : "");
            int64_t layers = 0;
            for (size_t i = 0; i + 1 < dict->list.n; i += 2)
                look_at_key(ck, dict->list.item[i], &layers);
            ck->stage_layers[p] += layers;
        }
        all += ck->stage_layers[p];
    }
    if (ck->chunks > 1 && !s->folds && (all + s->n_noop) % (s->pp * ck->chunks) == 0)
        s->chunk_layers = all / (s->pp * ck->chunks);
    if (ck->chunks == 1 && !s->n_noop)
        s->stage_layers = ck->stage_layers;
    return TS_OK;
}

/* ---- opening ---- */

static ts_status open_ranks(ts_mg_checkpoint *ck)
{
    const ts_mg_split *s = &ck->split;
    char name[TS_MG_RANK_NAME];
    TS_TRY(ts_alloc(&ck->file, (size_t)(s->tp * s->pp * s->ep), sizeof *ck->file));
    for (int64_t p = 0; p < s->pp; p++)
        for (int64_t e = 0; e < s->ep; e++)
            for (int64_t t = 0; t < s->tp; t++) {
                const ts_mg_rank r = { t, p, e };
                if (!ts_mg_rank_is_written(s, &r))
                    continue;
                ts_mg_rank_name(s, &r, name);
                TS_TRY(open_file(ck, name, &ts_mg_rank_file_of(ck, &r)->file));
            }
    return TS_OK;
}

static ts_status read_iteration(ts_mg_checkpoint *ck)
{
    ts_torch_file *first = NULL;
    ts_status st = open_first(ck, &first);
    if (st == TS_OK)
        st = read_args(ck);
    ts_torch_file_close(&first);
    ck->args = NULL;
    TS_TRY(st);
    TS_TRY(open_ranks(ck));
    const ts_pickle_node *root = ts_torch_file_root(ck->file[0].file);
    ck->args = args_of(root);
    (void)ts_pickle_int(ts_pickle_get(root, "iteration"), 0, INT64_MAX, &ck->iteration);
    ck->chunks = count_chunks(root);
    return look_at_names(ck);
}

static ts_status read_dist(ts_mg_checkpoint *ck)
{
    int64_t layers = 0;
    TS_TRY(ts_mg_dist_open(ck->folder, &ck->dist));
    const ts_pickle_node *root = ts_mg_dist_common(ck->dist);
    ck->args = args_of(root);
    (void)ts_pickle_int(ts_pickle_get(root, "iteration"), 0, INT64_MAX, &ck->iteration);
    for (size_t i = 0; ts_mg_dist_name(ck->dist, i); i++)
        look_at_name(ck, ts_mg_dist_name(ck->dist, i), &layers);
    return TS_OK;
}

ts_status ts_mg_checkpoint_open(const char *path, int64_t step, ts_mg_checkpoint **out)
{
    ts_mg_checkpoint *ck;
    ts_str folder = { 0 };
    TS_TRY(ts_alloc(&ck, 1, sizeof *ck));
    ts_status st = find_folder(path, step, &folder);
    if (st == TS_OK && !folder.len)
        st = ts_error(TS_ERR_USER, "%s: has no mp_rank_*/%s and no .metadata%s", path, file_name, step >= 0 ? " of that iteration (--ckpt-step)" : "");
    if (st == TS_OK)
        st = ts_strdup(folder.s, &ck->folder);
    if (st == TS_OK)
        st = has_ranks(ck->folder) ? read_iteration(ck) : read_dist(ck);
    ts_str_deinit(&folder);
    if (st == TS_OK)
        *out = ck;
    else
        ts_mg_checkpoint_close(&ck);
    return st;
}

void ts_mg_checkpoint_close(ts_mg_checkpoint **checkpoint)
{
    ts_mg_checkpoint *ck = *checkpoint;
    if (!ck)
        return;
    for (int64_t i = 0; ck->file && i < ck->split.tp * ck->split.pp * ck->split.ep; i++) {
        ts_torch_file_close(&ck->file[i].file);
        ts_free(&ck->file[i].kept);
        ts_arena_deinit(&ck->file[i].names);
    }
    ts_mg_dist_close(&ck->dist);
    ts_free(&ck->file);
    ts_free(&ck->stage_layers);
    ts_free(&ck->noop);
    ts_free(&ck->folder);
    ts_free(checkpoint);
}

void ts_mg_checkpoint_is_done(const ts_mg_checkpoint *ck, const ts_st_tensor *t)
{
    for (int64_t i = 0; ck->file && i < ck->split.tp * ck->split.pp * ck->split.ep; i++)
        if (ck->file[i].file)
            ts_torch_file_is_done(ck->file[i].file, t);
}

int64_t ts_mg_checkpoint_iteration(const ts_mg_checkpoint *ck) { return ck->iteration; }
const char *ts_mg_checkpoint_path(const ts_mg_checkpoint *ck) { return ck->folder; }
