#include "base/json.h"
#include "config_rows.h"
#include "fuzz.h"
#include "json_mutate.h"
#include "model/family.h"

#include <math.h>

/* Rows that the pieces of a tensor have together: all its dimensions but the one along a row, which is the last, or
 * the one before in a transposed tensor; each element of a line and of a vector is a row. */
static int64_t rows_of(const ts_name_tensor *t, bool transposed)
{
    const int along = t->is_line || t->rank == 1 ? -1 : transposed ? t->rank - 2 : t->rank - 1;
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= i == along ? 1 : t->dim[i];
    return n;
}

/* Every row (or column) of every tensor in a file belongs to exactly one piece. */
static void check_names(const ts_family *f, const ts_arch *a)
{
    ts_name_map m = { 0 };
    if (ts_family_names(f, a, &m) != TS_OK)
        abort();
    for (size_t i = 0; i < m.n_tensors; i++) {
        const ts_name_tensor *t = &m.tensor[i];
        int64_t rows = 0;
        for (size_t k = 0; k < t->n_pieces; k++)
            rows += m.piece[t->first_piece + k].rows;
        if (t->dim[0] < 1 || rows != rows_of(t, m.piece[t->first_piece].transposed) ||
            ts_family_ignores(f, a, t->hf_name))
            abort();
        char alias[TS_FAMILY_NAME];
        for (int k = 0; ts_family_alias(f, t->hf_name, k, alias); k++)
            if (!strlen(alias))
                abort();
    }
    ts_name_map_deinit(&m);
}

static void check_ropes(const ts_arch *a)
{
    enum { POSITIONS = 3 };
    for (int r = 0; a->position == TS_POSITION_ROPE && r < a->n_ropes; r++) {
        const size_t n = POSITIONS * (size_t)(a->rope[r].dim / 2);
        float *cosines = calloc(n + 1, sizeof *cosines), *sines = calloc(n + 1, sizeof *sines);
        if (!cosines || !sines)
            abort();
        ts_rope_table(&a->rope[r], POSITIONS, POSITIONS, cosines, sines);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(cosines[i]) || !isfinite(sines[i]))
                abort();
        free(cosines);
        free(sines);
    }
}

/* What a family describes can be written, if any can, and is then the same model. */
static void check_written(const ts_arch *a)
{
    const ts_family *family = NULL;
    json_t *config = NULL;
    if (ts_family_describe(a, &family, &config) != TS_OK)
        return;
    ts_arch back;
    ts_arch_init(&back);
    if (ts_family_read(family, config, "back.json", &back) != TS_OK ||
        ts_arch_check(&back, "back.json") != TS_OK || !ts_arch_equal(a, &back))
        abort();
    ts_arch_deinit(&back);
    char *text = json_dumps(config, 0);
    if (!text)
        abort();
    free(text);
    json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ts_family *family = NULL;
    json_t *config = NULL;
    ts_arch a;
    if (ts_json_parse((const char *)data, size, "config.json", &config) != TS_OK)
        return 0;
    ts_arch_init(&a);
    ts_status st = ts_family_of(config, "config.json", &family);
    if (st == TS_OK)
        st = ts_family_read(family, config, "config.json", &a);
    if (st == TS_OK)
        st = ts_arch_check(&a, "config.json");
    if (st == TS_OK && a.n_layers <= 16) {
        check_names(family, &a);
        check_ropes(&a);
        check_written(&a);
    }
    if (st != TS_OK && (st != TS_ERR_USER || !strstr(ts_error_message(), "config.json")))
        abort();
    ts_arch_deinit(&a);
    json_decref(config);
    return 0;
}

const fuzz_row fuzz_rows[] = { CONFIG_ROWS, { NULL, NULL, NULL } };
const char *const fuzz_kinds = NULL;
fuzz_hook *const fuzz_hooks[] = { NULL };
